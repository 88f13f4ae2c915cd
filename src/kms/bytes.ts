/*
 * Key material carries its kind in its type, so that the plaintext of a data key is not taken for its encrypted form,
 * or either for a value. It costs nothing at run time: who makes such bytes says once what they are.
 */

declare const kind: unique symbol

/** The 32 bytes of a data key, in memory that its owner zero-fills. */
export type PlaintextKey = Buffer & { readonly [kind]: 'plaintext data key' }
/** A data key as the key service encrypted it. */
export type EncryptedDataKey = Uint8Array & { readonly [kind]: 'encrypted data key' }

export const asPlaintextKey = (bytes: Buffer): PlaintextKey => bytes as PlaintextKey
export const asEncryptedDataKey = (bytes: Uint8Array): EncryptedDataKey => bytes as EncryptedDataKey
