import { inspect } from 'node:util'
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'
import pLimit from 'p-limit'
import { type EncryptionContext } from '../encryption-context'
import { type KmsCallEvent } from '../../diagnostics'
import { ClosedError, KmsRequestError } from '../../errors'
import { CallLog, type KmsCallCounts } from './call-log'
import { toKmsEncryptionError } from './error-mapping'
import { asEncryptedDataKey, asPlaintextKey } from '../bytes'
import { type Decrypted, type Encrypted, type GeneratedDataKey, type KeyService } from '../key-service'
import { Patience } from '../patience'
import { type TrustedKeys } from './trusted-keys'

export interface AwsKmsOptions {
  /** Without one, a client of the AWS default chain is made at the first call, and closed by `close()`. */
  client?: KMSClient | undefined
  /** Calls under way at once; the others wait their turn. */
  concurrency: number
  /** Milliseconds for one call with its retries. Default 30,000. */
  timeout?: number
  trustedKeys: TrustedKeys
}

type Send<Output extends object> = (
  client: KMSClient,
  options: { abortSignal: AbortSignal },
) => Promise<Output>

/** Calls AWS KMS: bounded parallelism and time, errors with names and remedies, trusted keys only. */
export class AwsKms implements KeyService {
  readonly log = new CallLog()
  readonly #givenClient: KMSClient | undefined
  #ownClient: KMSClient | undefined
  #closed = false
  readonly #trustedKeys: TrustedKeys
  readonly #patience: Patience
  readonly #limit

  constructor({ client, concurrency, timeout = 30_000, trustedKeys }: AwsKmsOptions) {
    this.#givenClient = client
    this.#trustedKeys = trustedKeys
    this.#patience = new Patience(timeout)
    this.#limit = pLimit(concurrency)
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html */
  async generateDataKey(keyId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const command = new GenerateDataKeyCommand({
      KeyId: keyId,
      KeySpec: 'AES_256',
      EncryptionContext: context,
    })
    const response = await this.#call('GenerateDataKey', keyId, (client, options) =>
      client.send(command, options),
    )
    if (!response.CiphertextBlob) zeroFillPlaintext(response)
    const encrypted = asEncryptedDataKey(present(response.CiphertextBlob))
    const { plaintext, keyReference } = this.#opened(response)
    return { plaintext: asPlaintextKey(plaintext), encrypted, keyReference }
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html */
  async encrypt(keyId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Encrypted> {
    const command = new EncryptCommand({ KeyId: keyId, Plaintext: plaintext, EncryptionContext: context })
    const response = await this.#call('Encrypt', keyId, (client, options) => client.send(command, options))
    const keyReference = present(response.KeyId)
    this.#trustedKeys.check(keyReference)
    return { ciphertext: present(response.CiphertextBlob), keyReference }
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html */
  async decrypt(ciphertext: Uint8Array, context: EncryptionContext): Promise<Decrypted> {
    const command = new DecryptCommand({ CiphertextBlob: ciphertext, EncryptionContext: context })
    const response = await this.#call('Decrypt', undefined, (client, options) =>
      client.send(command, options),
    )
    return this.#opened(response)
  }

  /** See https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html */
  async reEncrypt(
    ciphertext: Uint8Array,
    from: EncryptionContext,
    keyId: string,
    to: EncryptionContext,
  ): Promise<Encrypted> {
    const command = new ReEncryptCommand({
      CiphertextBlob: ciphertext,
      SourceEncryptionContext: from,
      DestinationKeyId: keyId,
      DestinationEncryptionContext: to,
    })
    const response = await this.#call('ReEncrypt', keyId, (client, options) => client.send(command, options))
    this.#trustedKeys.check(present(response.SourceKeyId))
    const keyReference = present(response.KeyId)
    this.#trustedKeys.check(keyReference)
    return { ciphertext: present(response.CiphertextBlob), keyReference }
  }

  /** The client that asks KMS. */
  get client(): KMSClient {
    return (
      this.#givenClient ??
      (this.#ownClient ??= new KMSClient({
        requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000 },
      }))
    )
  }

  /** Calls since the start, by operation. */
  get calls(): KmsCallCounts {
    return this.log.calls
  }

  /** Closes the client if it is this object's own. What has not been sent to KMS yet is refused from now on. */
  close(): void {
    this.#closed = true
    this.#ownClient?.destroy()
    this.#ownClient = undefined
  }

  /** Without the client: the SDK writes requests into memory that it does not clear. */
  [inspect.custom](): string {
    const { GenerateDataKey, Encrypt, Decrypt, ReEncrypt } = this.calls
    return `AwsKms { calls: ${GenerateDataKey + Encrypt + Decrypt + ReEncrypt} }`
  }

  #call<Output extends object>(
    operation: keyof KmsCallCounts,
    keyId: string | undefined,
    send: Send<Output>,
  ): Promise<Output> {
    const asked = performance.now()
    return this.#limit(() => {
      if (this.#closed)
        throw new ClosedError('this KmsEncryption was closed. Close it after the last use of the DataSource.')
      const call = { operation, keyId, waited: performance.now() - asked }
      return this.#patience.limit(operation, asked, (signal) => this.#send(call, send, signal))
    })
  }

  async #send<Output extends object>(
    call: Pick<KmsCallEvent, 'operation' | 'keyId' | 'waited'>,
    send: Send<Output>,
    abortSignal: AbortSignal,
  ): Promise<Output> {
    const { client } = this
    const ended = this.log.start(call)
    try {
      const answer = await send(client, { abortSignal })
      this.#patience.answered()
      // The caller was told KMS_UNAVAILABLE by now, and nobody else will see to the plaintext.
      if (abortSignal.aborted) zeroFillPlaintext(answer)
      ended(abortSignal.aborted ? 'KMS_UNAVAILABLE' : 'ok', answer)
      return answer
    } catch (cause) {
      const error = await toKmsEncryptionError(cause, { ...call, region: () => client.config.region() })
      if (error.code !== 'KMS_UNAVAILABLE') this.#patience.answered()
      ended(error.code, cause)
      throw error
    }
  }

  /** The plaintext, in memory of our own so that it can be zero-filled; the SDK's copy is zero-filled here. */
  #opened({ Plaintext, KeyId }: { Plaintext?: Uint8Array; KeyId?: string }): Decrypted {
    const plaintext = present(Plaintext)
    try {
      const keyReference = present(KeyId)
      this.#trustedKeys.check(keyReference)
      return { plaintext: Buffer.from(plaintext), keyReference }
    } finally {
      plaintext.fill(0)
    }
  }
}

function zeroFillPlaintext(answer: object): void {
  if ('Plaintext' in answer && answer.Plaintext instanceof Uint8Array) answer.Plaintext.fill(0)
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new KmsRequestError('KMS answered without the fields that its API promises')
  return value
}
