import { InvalidOptionError } from '../../errors'

/** Where stored data keys are kept, and for how long each is used. */
export interface StoredDataKeysOptions {
  /** Name of the table. Default `kms_data_key`. */
  table?: string
  /** Its schema; on MySQL and MariaDB its database. Default: that of the DataSource. SQLite has none. */
  schema?: string
  /** Milliseconds after which a new data key is made; old ones go on opening. Default 90 days. */
  maxAge?: number
  /**
   * Milliseconds for which a process may seal under a data key after it last saw the key's row alive. Forgetting waits
   * as long. Default 60,000.
   */
  lease?: number
  /**
   * `'inline'`: new values carry their data keys again, and the table is read for those that are there. Default
   * `'stored'`.
   */
  writes?: 'stored' | 'inline'
}

/** Where and how stored data keys are kept. */
export interface KeyTableSettings {
  readonly table: string
  readonly schema: string | undefined
  readonly maxAge: number
  readonly lease: number
  /** False where new values carry their data keys, and the table is only read. */
  readonly seals: boolean
}

/** The setting `dataKeys`. */
export type DataKeysOption = 'inline' | 'stored' | StoredDataKeysOptions

const DAY = 86_400_000

/** Throws `InvalidOptionError` for a setting that cannot work. */
export function keyTableSettings(dataKeys: DataKeysOption = 'inline'): KeyTableSettings {
  const options = typeof dataKeys === 'object' ? checked(dataKeys) : {}
  if (typeof dataKeys !== 'object' && !['inline', 'stored'].includes(dataKeys)) {
    refuse("dataKeys must be 'inline', 'stored' or { table, schema, maxAge, lease, writes }")
  }
  const { table = 'kms_data_key', schema, maxAge = 90 * DAY, lease = 60_000, writes } = options
  return { table, schema, maxAge, lease, seals: dataKeys !== 'inline' && writes !== 'inline' }
}

function checked(options: StoredDataKeysOptions): StoredDataKeysOptions {
  if ((options as unknown) === null || Array.isArray(options)) refuse('dataKeys must be an object')
  const known = ['table', 'schema', 'maxAge', 'lease', 'writes']
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) refuse(`unknown option dataKeys.${unknown}. Known are ${known.join(', ')}.`)
  for (const name of ['table', 'schema'] as const) {
    const value: unknown = options[name]
    if (value === undefined) continue
    // TypeORM takes a dot for the end of a schema.
    if (typeof value !== 'string' || value === '' || value.includes('.'))
      refuse(`dataKeys.${name} must be a name, without a dot`)
  }
  for (const name of ['maxAge', 'lease'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) > 0))
      refuse(`dataKeys.${name} must be a positive whole number of milliseconds`)
  }
  if (!['stored', 'inline', undefined].includes(options.writes))
    refuse("dataKeys.writes must be 'stored' or 'inline'")
  if ((options.lease ?? 0) >= 2 ** 31) refuse('dataKeys.lease must be below 2^31 milliseconds')
  return options
}

function refuse(reason: string): never {
  throw new InvalidOptionError(`kmsEncryption(): ${reason}`)
}
