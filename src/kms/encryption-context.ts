/** Pairs of strings that the key service and AES-GCM bind to a ciphertext without storing them in it. */
export type EncryptionContext = Readonly<Record<string, string>>
