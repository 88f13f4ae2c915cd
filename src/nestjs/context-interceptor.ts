import { type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common'
import { type AccessContext } from '../access'
import { KmsEncryption } from '../kms-encryption'

/**
 * Runs each handler in the context of its request (`encryption.withContext()`): who it is for, and why. The reason is
 * the handler's name, `AccountsController.findAll`; the user is `request.user.id`, or `sub`, where a guard has put one
 * there that is a text or a number. Guards run before, outside of the context.
 *
 * @example
 * ```ts
 * providers: [{ provide: APP_INTERCEPTOR, useClass: KmsEncryptionContextInterceptor }]
 * // Or with a context of your own:
 * providers: [
 *   {
 *     provide: APP_INTERCEPTOR,
 *     inject: [KmsEncryption],
 *     useFactory: (encryption: KmsEncryption) =>
 *       new KmsEncryptionContextInterceptor(encryption, (context) => ({
 *         ...requestContext(context),
 *         maxDecryptions: 1_000,
 *       })),
 *   },
 * ]
 * ```
 */
export class KmsEncryptionContextInterceptor implements NestInterceptor {
  readonly #encryption: KmsEncryption
  readonly #contextOf: (context: ExecutionContext) => AccessContext

  constructor(
    encryption: KmsEncryption,
    contextOf: (context: ExecutionContext) => AccessContext = requestContext,
  ) {
    this.#encryption = encryption
    this.#contextOf = contextOf
  }

  /** Nest binds the handler to the asynchronous context in which `handle()` is called. */
  intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    return this.#encryption.withContext(this.#contextOf(context), () => next.handle())
  }
}
// As a call, so that no compiler has to emit metadata for it. The function is not for Nest to find.
Reflect.defineMetadata('design:paramtypes', [KmsEncryption], KmsEncryptionContextInterceptor)

/** The context of a request: `reason` is the handler, `user` whom a guard has recognised, if any. */
export function requestContext(context: ExecutionContext): AccessContext {
  const reason = `${context.getClass().name}.${context.getHandler().name}`
  const user = context.getType() === 'http' ? userOf(context.switchToHttp().getRequest()) : undefined
  return user === undefined ? { reason } : { reason, user }
}

function userOf(request: unknown): string | undefined {
  const { user } = (request ?? {}) as { user?: unknown }
  const { id, sub } = (user ?? {}) as { id?: unknown; sub?: unknown }
  for (const each of [id, sub]) {
    if (typeof each === 'number') return String(each)
    if (typeof each === 'string' && each !== '') return each
  }
  return undefined
}
