import { type ArgumentsHost, Catch, HttpException, HttpStatus, Logger } from '@nestjs/common'
import { BaseExceptionFilter } from '@nestjs/core'
import { KmsEncryptionError, type KmsEncryptionErrorCode } from '../errors'

/** Errors that the request caused, and what they come to. All others of a kind have one answer. */
const OF_THE_REQUEST: Partial<Record<KmsEncryptionErrorCode, HttpStatus>> = {
  SEARCH_REFUSED: HttpStatus.BAD_REQUEST,
  INVALID_VALUE: HttpStatus.BAD_REQUEST,
  VALUE_TOO_LARGE: HttpStatus.BAD_REQUEST,
}

/** Seconds after which a client may ask again. KMS is tried again after a second. */
const RETRY_AFTER = '2'

/**
 * Answers HTTP requests that failed with an error of this library: 400 for a search that is refused and for values that
 * cannot be stored, 503 with `Retry-After` where KMS is away, 500 for all that a person must mend. The answer holds the
 * status and the error's `code`, and nothing else; the log has the message, which names entity and property and never
 * a value. Other than HTTP, errors are thrown on.
 *
 * @example
 * ```ts
 * providers: [{ provide: APP_FILTER, useClass: KmsEncryptionExceptionFilter }]
 * ```
 */
export class KmsEncryptionExceptionFilter extends BaseExceptionFilter<KmsEncryptionError> {
  readonly #log = new Logger('KmsEncryption')

  override catch(error: KmsEncryptionError, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error
    const status = statusOf(error)
    if (status >= HttpStatus.INTERNAL_SERVER_ERROR) this.#log.error(`${error.code}: ${error.message}`)
    if (status === HttpStatus.SERVICE_UNAVAILABLE) {
      const adapter = this.httpAdapterHost?.httpAdapter ?? this.applicationRef
      const response: unknown = host.switchToHttp().getResponse()
      adapter?.setHeader(response, 'Retry-After', RETRY_AFTER)
    }
    const answer = { statusCode: status, code: error.code, message: textOf(status) }
    super.catch(new HttpException(answer, status) as unknown as KmsEncryptionError, host)
  }
}
Catch(KmsEncryptionError)(KmsEncryptionExceptionFilter)

function statusOf({ code, kind }: KmsEncryptionError): HttpStatus {
  return (
    OF_THE_REQUEST[code] ??
    (kind === 'service' ? HttpStatus.SERVICE_UNAVAILABLE : HttpStatus.INTERNAL_SERVER_ERROR)
  )
}

function textOf(status: HttpStatus): string {
  if (status === HttpStatus.SERVICE_UNAVAILABLE) return 'The service is not available at the moment'
  return status === HttpStatus.BAD_REQUEST ? 'The request cannot be answered' : 'Internal server error'
}
