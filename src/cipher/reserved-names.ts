/** Names that the library gives to pairs of its own. */
const RESERVED = /^(column|empty|row|row\..*|data-key|data-key\..*|typeorm-kms-encrypted.*)$/s

/** True for a name that a user's context and pairs must not use. */
export function isReservedName(name: string): boolean {
  return RESERVED.test(name)
}
