import { type ColumnType, type DataSourceOptions } from 'typeorm'
import { HEADER_LENGTH, IV_LENGTH, TAG_LENGTH } from '../cipher/format'
import { type Mode } from '../cipher/cipher'
import { UnsupportedDatabaseError } from '../errors'
import { type KmsEncryptedOptions } from '../column/options'

/** The databases that the tests run against. */
const SUPPORTED = ['mysql', 'mariadb', 'postgres', 'better-sqlite3'] as const
type SupportedDatabase = (typeof SUPPORTED)[number]

/** Type and length of a column in the database. */
export interface StoredType {
  type: ColumnType
  length?: number
}

/** Room for the encrypted data key: AWS's have 184 bytes; external and custom key stores make longer ones. */
const DATA_KEY_ROOM = 256
/** Room for what KMS adds to a value in direct mode: AWS adds 152 to 162 bytes. */
const DIRECT_ROOM = 224
/** Longest `varbinary`: all of a row's share 65,535 bytes, so a longer value is kept outside of the row. */
const MAX_VARBINARY = 16_383

/** Throws `UnsupportedDatabaseError` for a database that this library does not know how to protect. */
export function checkDatabase(type: DataSourceOptions['type']): SupportedDatabase {
  const supported = SUPPORTED.find((name) => name === type)
  if (supported) return supported
  const remedy =
    type === 'mongodb'
      ? 'MongoDB has client-side field level encryption of its own, with AWS KMS: use that.'
      : 'Use one of those.'
  throw new UnsupportedDatabaseError(
    `encrypted columns work on ${SUPPORTED.join(', ')}, not on ${type}. ${remedy}`,
  )
}

/** The column type that holds the ciphertexts of a column. */
export function storedType(
  database: SupportedDatabase,
  mode: Mode,
  options: KmsEncryptedOptions,
): StoredType {
  const text = options.storage === 'text'
  switch (database) {
    case 'postgres':
      return { type: text ? 'text' : 'bytea' }
    case 'better-sqlite3':
      return { type: text ? 'text' : 'blob' }
    case 'mysql':
    case 'mariadb':
      return mysqlType(
        text,
        options.maxLength === undefined ? undefined : storedLength(mode, text, options.maxLength),
      )
  }
}

/** Most bytes that the ciphertext of `plaintextLength` bytes takes in the column. */
export function storedLength(mode: Mode, text: boolean, plaintextLength: number): number {
  const overhead = mode === 'direct' ? DIRECT_ROOM : 2 + DATA_KEY_ROOM + IV_LENGTH + TAG_LENGTH
  const bytes = HEADER_LENGTH + overhead + plaintextLength
  return text ? Math.ceil(bytes / 3) * 4 : bytes
}

function mysqlType(text: boolean, length: number | undefined): StoredType {
  if (length !== undefined && length <= MAX_VARBINARY) return { type: text ? 'varchar' : 'varbinary', length }
  if (length === undefined || length < 2 ** 16) return { type: text ? 'text' : 'blob' }
  if (length < 2 ** 24) return { type: text ? 'mediumtext' : 'mediumblob' }
  return { type: text ? 'longtext' : 'longblob' }
}
