import { type StoredType } from '../dialect'

/** Longest `varbinary`: all of a row's share 65,535 bytes, so a longer value is kept outside of the row. */
const MAX_VARBINARY = 16_383

export function storedType(storage: 'binary' | 'text', length: number | undefined): StoredType {
  const text = storage === 'text'
  if (length !== undefined && length <= MAX_VARBINARY) return { type: text ? 'varchar' : 'varbinary', length }
  if (length === undefined || length < 2 ** 16) return { type: text ? 'text' : 'blob' }
  if (length < 2 ** 24) return { type: text ? 'mediumtext' : 'mediumblob' }
  return { type: text ? 'longtext' : 'longblob' }
}
