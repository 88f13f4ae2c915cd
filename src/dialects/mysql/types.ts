import { type QueryRunner } from 'typeorm'
import { type ColumnLayout, kindOf } from '../column-layout'
import { type DatabaseColumn, type StoredType } from '../dialect'

/** Longest `varbinary`: all of a row's share 65,535 bytes, so a longer value is kept outside of the row. */
const MAX_VARBINARY = 16_383

export function storedType(storage: 'binary' | 'text', length: number | undefined): StoredType {
  const text = storage === 'text'
  if (length !== undefined && length <= MAX_VARBINARY) return { type: text ? 'varchar' : 'varbinary', length }
  return { type: largeType(storage, length ?? 0) }
}

export function roomyType(
  storage: 'binary' | 'text',
  length: number,
  declared: { sql: string; length: number },
): string {
  return declared.length >= length ? declared.sql : largeType(storage, length)
}

function largeType(
  storage: 'binary' | 'text',
  length: number,
): 'blob' | 'text' | 'mediumblob' | 'mediumtext' | 'longblob' | 'longtext' {
  const base = storage === 'text' ? 'text' : 'blob'
  if (length < 2 ** 16) return base
  return length < 2 ** 24 ? `medium${base}` : `long${base}`
}

export function changeType({ table, name, kind, nullable }: ColumnLayout, type: string): string {
  const modify = (to: string): string =>
    `ALTER TABLE ${table} MODIFY ${name} ${to} ${nullable ? 'NULL' : 'NOT NULL'};`
  const toUtf8 = kind === 'text' && /blob|binary/.test(type)
  return (toUtf8 ? `${modify('longtext CHARACTER SET utf8mb4')} ` : '') + modify(type)
}

const CAPACITY: Readonly<Record<string, number>> = {
  tinyblob: 255,
  tinytext: 255,
  blob: 65_535,
  text: 65_535,
  mediumblob: 2 ** 24 - 1,
  mediumtext: 2 ** 24 - 1,
}

/** Character sets in which even a digit of base64 takes more than a byte; MySQL's texts are limited in bytes. */
const WIDE: Readonly<Record<string, number>> = { ucs2: 2, utf16: 2, utf16le: 2, utf32: 4 }

export async function capacityOf(
  queryRunner: QueryRunner,
  table: string,
  { name, type, length }: DatabaseColumn,
): Promise<number | undefined> {
  const known = CAPACITY[type]
  if (known === undefined) return length ? Number(length) : undefined
  if (kindOf(type) !== 'text') return known
  return Math.floor(known / (WIDE[charsetOf(await collationOf(queryRunner, table, name))] ?? 1))
}

export async function textOptions(queryRunner: QueryRunner, table: string, name: string): Promise<string> {
  const collation = await collationOf(queryRunner, table, name)
  return ` CHARACTER SET ${charsetOf(collation)} COLLATE ${collation}`
}

/** The collation of a text column; TypeORM does not tell that of the database's default character set. */
async function collationOf(queryRunner: QueryRunner, table: string, name: string): Promise<string> {
  const [column] = (await queryRunner.query(`SHOW FULL COLUMNS FROM ${table} WHERE Field = ?`, [name])) as [
    { Collation: string },
  ]
  return column.Collation
}

/** The character set of a collation: `latin1` of `latin1_swedish_ci`. */
function charsetOf(collation: string): string {
  return collation.split('_', 1).join('')
}
