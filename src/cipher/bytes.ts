/*
 * Bytes that must not be mistaken for each other carry their kind in their type. It costs nothing at run time: who
 * makes such bytes says once what they are.
 */

declare const kind: unique symbol

type Bytes<Kind extends string> = Buffer & { readonly [kind]: Kind }

/** The serialised form of a value. */
export type PlaintextBytes = Bytes<'plaintext'>
/** Bytes of which nobody says that they are something else: a value of the application. */
export type PlainBytes = Uint8Array & { readonly [kind]?: 'plaintext' }
/** A whole ciphertext, header included. */
export type CiphertextBytes = Bytes<'ciphertext'>

export const asPlaintext = (bytes: Buffer): PlaintextBytes => bytes as PlaintextBytes
export const asCiphertext = (bytes: Buffer): CiphertextBytes => bytes as CiphertextBytes
