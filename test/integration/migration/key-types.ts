import { type DatabaseName } from '../../support/databases'

/** A type for a key, and SQL of values that are all different keys. */
export interface KeyType {
  /** As it stands in CREATE TABLE. */
  type: string
  values: readonly string[]
  /** Run before the table is made. */
  prepare?: string
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
const numbers = (from: number, to: number): string[] => range(from, to).map(String)
const texts = (...values: string[]): string[] => values.map((value) => `'${value.replaceAll("'", "''")}'`)

const TEXTS = texts(
  '',
  'a',
  'B',
  'c ',
  'd\u0001',
  'é',
  'ß',
  'я',
  '漢字',
  '🔑',
  "o'brien",
  '%_',
  'x'.repeat(40),
)
const UUIDS = texts(
  '123e4567-e89b-12d3-a456-426614174000',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '12300000-0000-11d3-a456-426614174000',
  'a0000000-0000-71d3-8456-426614174001',
  'b0000000-0000-41d3-9456-426614174002',
)

const MARIADB: readonly KeyType[] = [
  { type: 'int', values: numbers(-6, 6) },
  {
    type: 'bigint unsigned',
    values: ['0', '9007199254740993', '18446744073709551614', '18446744073709551615', '9007199254740992'],
  },
  {
    type: "enum('z','10','a','2','M','b','1','y','x','w','v')",
    values: texts('z', '10', 'a', '2', 'M', 'b', '1', 'y', 'x', 'w', 'v'),
  },
  { type: "set('z','a','m')", values: texts('', 'z', 'a', 'm', 'z,a', 'z,m', 'a,m', 'z,a,m') },
  {
    type: 'bit(64)',
    values: ["b'0'", "b'1'", "b'1010'", '18446744073709551615', '9223372036854775808', '9007199254740993'],
  },
  {
    type: 'float',
    values: ['0', '1.1', '-0.1', '3.4e38', '1e-38', '16777217', '123456.7', '0.3', '1234567', '1234568'],
  },
  {
    type: 'double',
    values: ['0', '1.1', '-0.1', '1e308', '1e-300', '0.1', '0.30000000000000004', '0.3', '9007199254740993'],
  },
  {
    type: 'decimal(30,10)',
    values: ['0', '1.1', '-0.1', '12345678901234567890.1234567891', '12345678901234567890.1234567890'],
  },
  { type: 'year', values: ["'0000'", '1901', '2000', '2024', '2155'] },
  { type: 'date', values: texts('0001-01-01', '2024-02-29', '9999-12-31', '1970-01-01') },
  { type: 'time(3)', values: texts('-838:59:59', '-00:00:00.001', '00:00:00', '23:59:59.999', '838:59:59') },
  { type: 'datetime(6)', values: numbers(100, 112).map((n) => `'2024-01-01 10:00:00.000${n}'`) },
  // The same hour twice in a time zone with summer time.
  { type: 'timestamp', values: range(0, 7).map((n) => `FROM_UNIXTIME(${1729983600 + n * 1800})`) },
  { type: 'uuid', values: UUIDS },
  { type: 'inet6', values: texts('::1', '::', '2001:db8::1', 'fe80::1', '::ffff:10.0.0.1') },
  { type: 'varchar(50) character set utf8mb4 collate utf8mb4_general_ci', values: TEXTS },
  { type: 'varchar(50) character set utf8mb4 collate utf8mb4_bin', values: [...TEXTS, ...texts('A', 'b')] },
  {
    type: 'varchar(50) character set utf8mb4 collate utf8mb4_nopad_bin',
    values: [...TEXTS, ...texts('a ', 'A')],
  },
  { type: 'varchar(50) character set latin1', values: texts('', 'a', 'é', 'ß', '€', 'z') },
  { type: 'char(20) character set utf16', values: texts('', 'a', 'é', '漢字', '🔑', 'z') },
  {
    type: 'binary(4)',
    values: ["X'00000000'", "X'61000000'", "X'61'", "X'ffffffff'", "X'20202020'"].filter((_, i) => i !== 1),
  },
  { type: 'varbinary(40)', values: ["X''", "X'00'", "X'0000'", "X'61'", "X'ff'", "X'c101'"] },
]

const POSTGRES: readonly KeyType[] = [
  { type: 'integer', values: numbers(-6, 6) },
  {
    type: 'bigint',
    values: ['0', '9007199254740993', '9223372036854775807', '-9223372036854775808', '9007199254740992'],
  },
  {
    type: 'numeric',
    values: ['0', '1.10', '-0.1', "'NaN'", "'Infinity'", "'-Infinity'", '12345678901234567890.1234567891'],
  },
  { type: 'real', values: ['0', '1.1', '-0.1', "'NaN'", "'Infinity'", '16777217', '123456.7', '1234567'] },
  {
    type: 'double precision',
    values: ['0', '1.1', '0.1', '0.30000000000000004', '0.3', "'NaN'", "'-Infinity'", '1e308'],
  },
  { type: 'boolean', values: ['true', 'false'] },
  { type: 'uuid', values: UUIDS },
  { type: 'text', values: TEXTS },
  { type: 'character(45)', values: TEXTS },
  { type: 'text COLLATE "C"', values: [...TEXTS, ...texts('A', 'b')] },
  {
    type: 'text COLLATE kms_ci',
    values: TEXTS,
    prepare: `CREATE COLLATION IF NOT EXISTS kms_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
  },
  {
    type: 'kms_mood',
    values: texts('z', '10', 'a', '2', 'M'),
    prepare: `DO $$ BEGIN CREATE TYPE kms_mood AS ENUM ('z', '10', 'a', '2', 'M'); EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  },
  { type: 'date', values: texts('0001-01-01', '2024-02-29', 'infinity', '-infinity', '0044-03-15 BC') },
  {
    type: 'timestamp',
    values: [
      ...texts('infinity', '-infinity', '0044-03-15 BC'),
      ...numbers(100, 110).map((n) => `'2024-01-01 10:00:00.000${n}'`),
    ],
  },
  {
    type: 'timestamptz',
    values: [
      ...texts('infinity', '-infinity'),
      ...range(0, 7).map((n) => `to_timestamp(${1729983600 + n * 1800})`),
    ],
  },
  { type: 'time', values: texts('00:00', '23:59:59.999999', '24:00', '12:00') },
  {
    type: 'interval',
    values: texts('1 month', '1 day', '-3 days 4 hours', '1 year 2 months 3 days 04:05:06.789', '0'),
  },
  { type: 'bytea', values: texts('', '\\x00', '\\x0000', '\\x61', '\\xff', '\\xc101') },
  { type: 'inet', values: texts('10.0.0.1', '10.0.0.0/8', '::1', '192.168.0.1') },
  { type: 'bit varying', values: ["B''", "B'0'", "B'01'", "B'1'", "B'111111111'"] },
  { type: 'integer[]', values: texts('{}', '{1}', '{1,2}', '{2}', '{NULL}') },
  { type: 'int4range', values: texts('empty', '[1,5)', '[2,3)', '(,)') },
  { type: 'jsonb', values: texts('{}', '[]', '{"a": 1}', '"x"', 'null', '1.0') },
  { type: 'money', values: texts('1.10', '-2', '1000000') },
]

const SQLITE_MIXED = [
  '1',
  '2',
  '-3',
  '1.5',
  "'a'",
  "'10'",
  "'é'",
  "x'61'",
  "x''",
  '9007199254740993',
  "''",
  '1e300',
]
/** With three keys whose text is the same, for columns that convert nothing. */
const SQLITE_EXACT = [...SQLITE_MIXED, "'1'", "x'31'"]

const SQLITE: readonly KeyType[] = [
  { type: 'integer not null', values: numbers(-6, 6) },
  { type: 'bigint', values: ['NULL', '1', '9007199254740993', '9007199254740992', '-5'] },
  { type: 'varchar(50)', values: ['NULL', ...TEXTS, "CAST(x'ff00fe' AS TEXT)", "x'61'"] },
  { type: 'varchar(50) COLLATE NOCASE', values: ['NULL', ...TEXTS] },
  // The affinity of a column does not decide on what it holds.
  { type: 'int', values: [...SQLITE_MIXED, 'NULL'] },
  { type: 'blob', values: [...SQLITE_EXACT, 'NULL'] },
  { type: '', values: SQLITE_EXACT },
  { type: 'datetime', values: texts('2024-01-01 10:00:00', '2024-01-01 10:00:00.000', '2024-01-01') },
]

export const KEY_TYPES: Readonly<Record<DatabaseName, readonly KeyType[]>> = {
  mariadb: MARIADB,
  postgres: POSTGRES,
  sqlite: SQLITE,
}
