import { type KmsEncryption } from '../kms-encryption'

/** Outcomes of a call that say that KMS is not to be had, or takes no call of this application. */
const DOWN =
  /^(KMS_UNAVAILABLE|KMS_KEY_UNAVAILABLE|KMS_THROTTLED|KMS_CREDENTIALS|KMS_CLOCK|KMS_REQUEST_FAILED)$/

/** What `@nestjs/terminus` takes for the answer of an indicator. */
export type KmsHealth = Record<string, { status: 'up' | 'down'; calls: number; failed: number }>

/**
 * A health indicator for `@nestjs/terminus` 11 and later. It calls nobody: it says how the calls to KMS went that the
 * application made since the last check, by `encryption.metrics()`. It is `down` if there were calls and each of them
 * failed because of the service. An application whose data keys are all at hand goes on while KMS is away, so use it
 * for readiness and for alarms, not for liveness.
 *
 * @example
 * ```ts
 * @Controller('health')
 * class HealthController {
 *   constructor(private health: HealthCheckService, private kms: KmsEncryptionHealthIndicator) {}
 *   @Get() @HealthCheck()
 *   check() { return this.health.check([() => this.kms.check('kms')]) }
 * }
 * ```
 */
export class KmsEncryptionHealthIndicator {
  readonly #encryption: KmsEncryption
  #seen = { calls: 0, failed: 0 }
  #status: 'up' | 'down' = 'up'

  constructor(encryption: KmsEncryption) {
    this.#encryption = encryption
  }

  /** The answer under the name `key`. Without a call since the last check, the status is that of then. */
  check(key = 'kms'): KmsHealth {
    const now = this.#count()
    const calls = now.calls - this.#seen.calls
    const failed = now.failed - this.#seen.failed
    this.#seen = now
    if (calls > 0) this.#status = failed === calls ? 'down' : 'up'
    return { [key]: { status: this.#status, calls, failed } }
  }

  #count(): { calls: number; failed: number } {
    let calls = 0
    let failed = 0
    for (const byOutcome of Object.values(this.#encryption.metrics().kmsOutcomes)) {
      for (const [outcome, sums] of Object.entries(byOutcome)) {
        calls += sums.calls
        if (DOWN.test(outcome)) failed += sums.calls
      }
    }
    return { calls, failed }
  }
}
