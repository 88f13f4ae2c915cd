import { ValueTooLargeError, WrongContextError } from '../../errors'
import { type Caller, type Decrypted, type KeyService } from '../../kms/key-service'
import { asPlaintext, type PlaintextBytes, type PlainBytes } from '../bytes'
import { type DirectCiphertext } from '../ciphertext'
import { type EncryptionContext } from '../context'
import { header, keyTag, Suite as SuiteByte } from '../format'
import { tagMatches } from '../key-tag'
import { checkPairsSize } from '../pairs'
import { type Refusals } from '../refusals'
import { type Scope } from '../scope'
import { tampered } from '../tampered'
import { type Opener, type Suite } from './suite'

/** Most bytes that KMS Encrypt takes under a symmetric key. */
export const MAX_DIRECT_BYTES = 4096

/** KMS encrypts no empty plaintext: one zero byte stands for it, under this pair, so that it means nothing else. */
const EMPTY = Buffer.alloc(1)
const EMPTY_CONTEXT: EncryptionContext = { empty: 'true' }

/** Suites 2 and 3: one KMS Encrypt or Decrypt per value, as in KMS's own tutorial. */
export class Direct implements Suite<DirectCiphertext> {
  readonly mode = 'direct'
  readonly #kms: KeyService
  readonly #refusals: Refusals

  constructor(kms: KeyService, refusals: Refusals) {
    this.#kms = kms
    this.#refusals = refusals
  }

  needsKms(): boolean {
    return true
  }

  openNow(): undefined {
    return undefined
  }

  async encrypt(plaintext: string | PlainBytes, keyId: string, scope: Scope): Promise<Buffer> {
    const bytes = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext
    checkDirectSize(bytes.length)
    checkPairsSize(scope.pairs.length)
    const [suite, input] =
      bytes.length === 0 ? (['direct-empty', EMPTY] as const) : (['direct', bytes] as const)
    const { ciphertext, keyReference } = await this.#kms.encrypt(keyId, input, contextOf(suite, scope))
    return Buffer.concat([directHeader(suite, keyReference), ciphertext])
  }

  async load(ciphertext: DirectCiphertext, scope: Scope, caller?: Caller): Promise<Opener> {
    const plaintext = await this.#open(ciphertext, scope, caller)
    let isHandedOut = false
    const open = (): PlaintextBytes => {
      // Each who shares the call gets bytes of their own.
      if (isHandedOut) return asPlaintext(Buffer.from(plaintext))
      isHandedOut = true
      return plaintext
    }
    return { open }
  }

  async #open(ciphertext: DirectCiphertext, scope: Scope, caller?: Caller): Promise<PlaintextBytes> {
    const context = contextOf(ciphertext.suite, scope)
    const { plaintext, keyReference } = await this.#decrypt(ciphertext.blob, context, scope, caller)
    if (!tagMatches(ciphertext.bytes, keyReference)) {
      plaintext.fill(0)
      throw tampered()
    }
    return asPlaintext(ciphertext.suite === 'direct-empty' ? Buffer.alloc(0) : plaintext)
  }

  /**
   * A `CiphertextBlob` that another program stored: made under the column's own context, or under none, as in KMS's
   * tutorial.
   */
  async openBare(blob: Buffer, scope: Scope, caller?: Caller): Promise<PlaintextBytes> {
    const opened = await this.#decrypt(blob, scope.directContext, scope, caller).catch(
      (error: unknown): Promise<Decrypted> => {
        if (error instanceof WrongContextError) return this.#decrypt(blob, {}, undefined, caller)
        throw error
      },
    )
    return asPlaintext(opened.plaintext)
  }

  /** Every value is a call of its own; equal ones share it. */
  callOf(ciphertext: DirectCiphertext, scope: Scope): string {
    return `${scope.directKey} ${ciphertext.bytes.toString('latin1')}`
  }

  #decrypt(
    blob: Buffer,
    context: EncryptionContext,
    scope: Scope | undefined,
    caller: Caller | undefined,
  ): Promise<Decrypted> {
    return this.#refusals.ask([scope?.directKey ?? '', context['empty'] ?? '', blob], () =>
      this.#kms.decrypt(blob, context, { caller }),
    )
  }
}

/** Throws `ValueTooLargeError` for what KMS Encrypt would refuse. */
export function checkDirectSize(bytes: number): void {
  if (bytes <= MAX_DIRECT_BYTES) return
  throw new ValueTooLargeError(
    `the value has ${bytes} bytes, and KMS encrypts at most ${MAX_DIRECT_BYTES} in direct mode. Use mode: 'envelope', which takes any size.`,
  )
}

/** The encryption context of a direct ciphertext. */
export function contextOf(suite: DirectCiphertext['suite'], scope: Scope): EncryptionContext {
  return suite === 'direct-empty' ? { ...scope.directContext, ...EMPTY_CONTEXT } : scope.directContext
}

/** The 7 bytes before the blob. */
export function directHeader(suite: DirectCiphertext['suite'], keyReference: string): Buffer {
  return header(suite === 'direct-empty' ? SuiteByte.DirectEmpty : SuiteByte.Direct, keyTag(keyReference))
}
