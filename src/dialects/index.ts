import { type DataSourceOptions } from 'typeorm'
import { UnsupportedDatabaseError } from '../errors'
import { type Dialect } from './dialect'
import { mysql } from './mysql'
import { postgres } from './postgres'
import { isPglite, pglite } from './postgres/pglite'
import { sqlite, sqljs } from './sqlite'

export { type Dialect, type StoredType } from './dialect'

/** The databases that the tests run against, by TypeORM's names. */
const DIALECTS = new Map<DataSourceOptions['type'], Dialect>([
  ['mysql', mysql],
  ['mariadb', mysql],
  ['postgres', postgres],
  ['better-sqlite3', sqlite],
  ['sqljs', sqljs],
])

/** Throws `UnsupportedDatabaseError` for a database that this library does not know how to protect. */
export function dialectOf(options: Pick<DataSourceOptions, 'type'>): Dialect {
  const { type } = options
  const dialect = DIALECTS.get(type)
  if (dialect === postgres && isPglite(options)) return pglite
  if (dialect) return dialect
  const remedy =
    type === 'mongodb'
      ? 'MongoDB has client-side field level encryption of its own, with AWS KMS: use that.'
      : 'Use one of those.'
  const known = Array.from(DIALECTS.keys()).join(', ')
  throw new UnsupportedDatabaseError(`encrypted columns work on ${known}, not on ${type}. ${remedy}`)
}
