import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms'

import { Account, type AccountRecord } from './account'
import { type LocalKmsCalls } from './calls'
import { type LocalKmsFaults } from './faults'
import { KeyFile } from './key-file'
import { type Location } from './key-identifier'
import { DEFAULT_ACCOUNT, DEFAULT_REGION, type LocalKmsOptions, requireLocation } from './options'
import { LocalKmsRequestHandler } from './request-handler'
import { type ListenOptions, listen, type LocalKmsServer } from './server'
import { type LocalKmsPolicy } from './policy'
import { Service } from './service'

const WARNING =
  'Embedded KMS: for development and tests only. Its keys are not protected; never give it production data.'

/**
 * An AWS KMS for development and tests, with no AWS account: the same requests, answers, limits and
 * exceptions, in this process and, with {@link LocalKms.listen}, on a loopback port for the AWS CLI.
 *
 * Key material is in memory, or in a file in clear. Signatures of requests are not verified, and policies are evaluated
 * only where {@link LocalKms.setPolicy} gives one. What is covered, operation by operation, is in `docs/local-kms.md`.
 *
 * @example
 * const kms = new LocalKms()
 * const client = kms.client()
 * const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
 */
export class LocalKms {
  readonly region: string
  readonly accountId: string
  /** Its Regions, its own first. */
  readonly regions: readonly string[]
  /** For a `KMSClient` of your own: `new KMSClient({ requestHandler: kms.requestHandler, … })`. */
  readonly requestHandler: LocalKmsRequestHandler
  readonly #service: Service

  /**
   * Prints one line of warning to stderr unless `quiet` is set or `NODE_ENV` is `test`.
   *
   * @throws Error when `NODE_ENV` is `production` in any case, or when `file` is no key file or belongs to another place.
   */
  constructor(options: LocalKmsOptions = {}) {
    // Whatever wrote it: `Production`, or `production ` as a batch file of Windows has it.
    if (process.env['NODE_ENV']?.trim().toLowerCase() === 'production') {
      throw new Error('The embedded KMS does not run with NODE_ENV=production. Use AWS KMS there.')
    }
    const file = options.file === undefined ? undefined : new KeyFile(options.file)
    const stored = file?.read()
    this.region = options.region ?? stored?.region ?? DEFAULT_REGION
    this.accountId = options.accountId ?? stored?.accountId ?? DEFAULT_ACCOUNT
    requireLocation(this.region, this.accountId)
    for (const region of options.regions ?? []) requireLocation(region, this.accountId)
    const location = { region: this.region, accountId: this.accountId }
    if (stored && (stored.region !== this.region || stored.accountId !== this.accountId)) {
      throw new Error(`The keys in ${options.file ?? ''} are of ${stored.accountId} in ${stored.region}.`)
    }
    const write =
      file &&
      ((record: AccountRecord): void => {
        file.write({ ...location, ...record })
      })
    const account = openAccount(location, options, stored, write)
    this.regions = account.regions
    this.#service = new Service(account, options.now ?? Date.now, options.blobs ?? 'aws')
    this.requestHandler = new LocalKmsRequestHandler(this.#service)
    if (options.quiet !== true && process.env['NODE_ENV'] !== 'test') process.stderr.write(`${WARNING}\n`)
  }

  /**
   * A real `KMSClient` of the AWS SDK whose requests this KMS answers. Region and credentials are preset;
   * `config` adds to them or replaces them (`maxAttempts`, `retryMode` …), except for the request handler. With the
   * `region` of one of its other Regions it is a client of that Region.
   */
  client(config: KMSClientConfig = {}): KMSClient {
    return new KMSClient({
      region: this.region,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      ...config,
      requestHandler: this.requestHandler,
    })
  }

  /**
   * Answers on a loopback port as well, for the AWS CLI and other SDKs (`--endpoint-url`).
   *
   * @param options `port` (default: a free one) and `host` (only `127.0.0.1`).
   * @throws RangeError for another host; the system's error when the port is taken.
   */
  listen(options: ListenOptions = {}): Promise<LocalKmsServer> {
    return listen(this.#service, options)
  }

  /** The requests so far: names, times and outcomes, for assertions. */
  get calls(): LocalKmsCalls {
    return this.#service.calls
  }

  /**
   * Misbehaves from now on as told; replaces what was told before. `misbehave({})` heals.
   *
   * @example
   * kms.misbehave({ latency: 50, throttle: 0.2 })
   */
  misbehave(faults: LocalKmsFaults): void {
    this.#service.misbehave(faults)
  }

  /**
   * Judges requests that are signed with this access key by an IAM policy from now on; `undefined` takes it away. Callers
   * without a policy may do everything.
   *
   * @throws TypeError for what it does not read of a policy, see `docs/local-kms.md`.
   *
   * @example
   * kms.setPolicy('tenant42', { Statement: { Effect: 'Allow', Action: 'kms:*', Resource: '*' } })
   * const client = kms.client({ credentials: { accessKeyId: 'tenant42', secretAccessKey: 'local' } })
   */
  setPolicy(accessKeyId: string, policy: LocalKmsPolicy | undefined): void {
    this.#service.setPolicy(accessKeyId, policy)
  }

  /**
   * Moves its clock forward by milliseconds. Keys whose deletion date is reached are gone, with their
   * aliases; keys with automatic rotation that are due are rotated.
   */
  advance(milliseconds: number): void {
    this.#service.advance(milliseconds)
  }
}

/** The message leaves out what exactly is wrong, because that may quote the file. */
function openAccount(
  location: Location,
  { regions = [], file: path = '' }: LocalKmsOptions,
  stored: AccountRecord | undefined,
  write: ((record: AccountRecord) => void) | undefined,
): Account {
  try {
    return new Account(location, regions, stored, write)
  } catch {
    throw new Error(
      `${path} is not whole: a key or alias in it is damaged. Restore the file, or name another.`,
    )
  }
}
