import { randomBytes } from 'node:crypto'

/** Rows of the read and write measures. */
export const ROWS = 10_000

/** The private key of KMS's own tutorial: 64 random bytes as hex, 128 characters. */
export const privateKey = (): string => randomBytes(64).toString('hex')

export const privateKeys = (count: number): string[] => Array.from({ length: count }, privateKey)

/** What an application would save. */
export const newUsers = (values: readonly string[]): { privateKey: string }[] =>
  values.map((value) => ({ privateKey: value }))
