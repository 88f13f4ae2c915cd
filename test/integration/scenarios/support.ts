import { type TestDatabase } from '../../support/databases'
import { type TestApplication } from '../../support/encryption'

/** What every value of an encrypted column that is not NULL starts with. */
const MAGIC = Buffer.from([0xc1, 0x01])

export function isCiphertext(value: unknown): boolean {
  if (value === null) return true
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : value
  // sql.js delivers Uint8Arrays.
  return bytes instanceof Uint8Array && MAGIC.equals(bytes.subarray(0, 2))
}

/** The stored values of some columns, row by row, past TypeORM. Fails if one is neither NULL nor a ciphertext. */
export async function storedValues(
  db: TestDatabase,
  table: string,
  ...columns: string[]
): Promise<unknown[]> {
  const path = table
    .split('.')
    .map((part) => db.quote(part))
    .join('.')
  const rows = await db.rawQuery(`SELECT * FROM ${path}`)
  rows.sort((a, b) => Number(a['id']) - Number(b['id']))
  const values = rows.flatMap((row) => columns.map((name) => row[name]))
  const plain = values.find((value) => !isCiphertext(value))
  if (plain !== undefined || values.includes(undefined))
    throw new Error(`${table} holds a value that is not encrypted`)
  return values
}

/** How often KMS was called while `action` ran. */
export async function kmsCalls<T>({ kms }: TestApplication, action: () => Promise<T>): Promise<[number, T]> {
  const before = kms.calls.count()
  const result = await action()
  return [kms.calls.count() - before, result]
}
