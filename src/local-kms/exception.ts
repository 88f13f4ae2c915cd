/** Exceptions that are the service's fault; every other one is the caller's and answered with HTTP 400. */
const SERVER_FAULTS: Readonly<Record<string, number>> = {
  DependencyTimeoutException: 503,
  InternalFailure: 500,
  KeyUnavailableException: 500,
  KMSInternalException: 500,
  ServiceUnavailable: 503,
  ServiceUnavailableException: 503,
}

/**
 * An answer of KMS that is an error: its name, its message as AWS words it, and its HTTP status.
 *
 * Messages are AWS's own where they are known; an exception without a message has none at AWS either.
 * Source: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html and each operation's page.
 */
export class KmsException extends Error {
  override readonly name: string
  readonly statusCode: number

  constructor(name: string, message = '') {
    super(message)
    this.name = name
    this.statusCode = SERVER_FAULTS[name] ?? 400
  }

  /** The JSON 1.1 error body. */
  get body(): { __type: string; message?: string } {
    return this.message === '' ? { __type: this.name } : { __type: this.name, message: this.message }
  }
}

/** `ValidationException`: a request that breaks a documented constraint. */
export const invalid = (message: string) => new KmsException('ValidationException', message)

/** `NotFoundException`: a key or alias that is not there, or an identifier that cannot be one. */
export const notFound = (message: string) => new KmsException('NotFoundException', message)

/** `UnsupportedOperationException`: a parameter or kind of key for which the operation does not exist. */
export const unsupported = (message?: string) => new KmsException('UnsupportedOperationException', message)

/** `InvalidCiphertextException`: bytes that do not open. AWS sends no message, so as to give nothing away. */
export const invalidCiphertext = () => new KmsException('InvalidCiphertextException')
