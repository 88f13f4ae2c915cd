/** The block comments between which an application says that it means the ciphertext. */
export const RAW_START = 'kms-encrypted:raw'
export const RAW_END = 'kms-encrypted:end'

/** SQL in which an encrypted column stands for its ciphertext. */
export function rawSql(sql: string): string {
  return `/* ${RAW_START} */ ${sql} /* ${RAW_END} */`
}
