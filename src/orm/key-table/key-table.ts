import { type DataSource } from 'typeorm'
import {
  type DataKeyPurpose,
  type DataKeyStore,
  type NewDataKey,
  type StoredDataKey,
} from '../../cipher/data-keys/store'
import { type Dialect, dialectOf } from '../../dialects'
import {
  DataKeyMissingError,
  DriverValueError,
  InvalidOptionError,
  KeyTableMissingError,
  KeyTableUnavailableError,
} from '../../errors'
import { asEncryptedDataKey, type EncryptedDataKey } from '../../kms/bytes'
import { KEY_TABLE_COLUMNS, KEY_TABLE_ENTITY } from './entity'
import { type KeyTableAccess, keyTableAccess } from './key-table-access'
import { type KeyTableSettings } from './key-table-options'
import { escapedPath } from '../../dialects/escaped-path'

type Row = Record<string, unknown>

const { id, purpose, contextHash, context, kmsKey, encryptedDataKey } = KEY_TABLE_COLUMNS
const { createdAt, retiredAt, destroyAt, destroyedAt } = KEY_TABLE_COLUMNS
const ALL = Object.values(KEY_TABLE_COLUMNS)

/** How often the first data key of a context is tried to be added while others do the same. */
const MAX_ATTEMPTS = 5

/** Milliseconds for which a table that is not needed is not looked for again. */
const KEPT_MISSING = 10_000

/** The table of the stored data keys in the database of a DataSource. */
export class KeyTable implements DataKeyStore {
  readonly settings: KeyTableSettings
  readonly #dataSource: DataSource
  readonly #dialect: Dialect
  readonly #access: KeyTableAccess
  /** The table was not there, and need not be looked for until then. */
  #missingUntil = 0

  constructor(dataSource: DataSource, settings: KeyTableSettings) {
    this.settings = settings
    this.#dataSource = dataSource
    this.#dialect = dialectOf(dataSource.options)
    this.#access = keyTableAccess(dataSource, this.#dialect)
  }

  /** The path of the table, as TypeORM has it: `schema.table`. */
  get name(): string {
    const { driver, options, entityMetadatas } = this.#dataSource
    const metadata = entityMetadatas.find(({ name }) => name === KEY_TABLE_ENTITY)
    if (metadata) return metadata.tablePath
    const { table, schema = (options as { schema?: string }).schema } = this.settings
    const [inSchema, inDatabase] = this.#dialect.namespace === 'schema' ? [schema] : [undefined, schema]
    return driver.buildTableName(table, inSchema, inDatabase)
  }

  /** The path, escaped. */
  get sql(): string {
    return escapedPath(this.name, (part) => this.#escape(part))
  }

  expect(): void {
    this.#access.open()
  }

  get isTentative(): boolean {
    return this.#access.isInTransaction
  }

  exists(): Promise<boolean> {
    return this.#access.hasTable(this.name)
  }

  async find(ids: readonly Buffer[]): Promise<StoredDataKey[]> {
    if (ids.length === 0) return []
    if (Date.now() < this.#missingUntil) throw this.#noTable()
    try {
      return await this.select(`${this.#escape(id)} IN (${this.#list(ids.length)})`, [...ids])
    } catch (error) {
      if (this.settings.seals || !(error instanceof KeyTableMissingError)) throw error
      this.#missingUntil = Date.now() + KEPT_MISSING
      throw this.#noTable(error)
    }
  }

  async current(wanted: DataKeyPurpose, hash: Buffer): Promise<StoredDataKey[]> {
    const rows = await this.run(...this.#currentQuery(wanted, hash))
    return rows.map((row) => this.#read(row))
  }

  #currentQuery(wanted: DataKeyPurpose, hash: Buffer): [sql: string, parameters: unknown[]] {
    const [first, second] = [this.#dialect.placeholder(1), this.#dialect.placeholder(2)]
    const conditions = [
      `${this.#escape(purpose)} = ${first}`,
      `${this.#escape(contextHash)} = ${second}`,
      ...[retiredAt, destroyAt, destroyedAt].map((name) => `${this.#escape(name)} IS NULL`),
      `${this.#escape(encryptedDataKey)} IS NOT NULL`,
    ]
    return [this.#selectSql(conditions.join(' AND ')), [wanted, hash]]
  }

  async add(key: NewDataKey): Promise<void> {
    await this.#explaining(() => this.#access.insert(this.#insertQuery(key)))
  }

  async addFirst(key: NewDataKey): Promise<StoredDataKey> {
    // Another process may do the same: then one of the two fails, and finds what the other one has added.
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#access.insert(this.#insertQuery(key), this.#currentQuery(key.purpose, key.contextHash))
      } catch (cause) {
        const error = await this.#explained(cause)
        if (attempt === MAX_ATTEMPTS || !(error instanceof KeyTableUnavailableError)) throw error
      }
      const first = (await this.current(key.purpose, key.contextHash)).pop()
      if (first) return first
    }
  }

  #insertQuery(key: NewDataKey): [sql: string, parameters: unknown[]] {
    const values: Record<string, unknown> = {
      [id]: key.id,
      [purpose]: key.purpose,
      [contextHash]: key.contextHash,
      [context]: key.context ?? null,
      [kmsKey]: key.keyReference,
      [encryptedDataKey]: Buffer.from(key.encrypted),
      [createdAt]: key.createdAt.getTime(),
    }
    const names = Object.keys(values).map((name) => this.#escape(name))
    return [
      `INSERT INTO ${this.sql} (${names.join(', ')}) VALUES (${this.#list(names.length)})`,
      Object.values(values),
    ]
  }

  /** Rows by a condition in SQL, the newest first. */
  async select(condition: string, parameters: unknown[] = []): Promise<StoredDataKey[]> {
    const rows = await this.run(this.#selectSql(condition), parameters)
    return rows.map((row) => this.#read(row))
  }

  /** Sends a statement about the table. Throws `KeyTableMissingError` and `KeyTableUnavailableError`. */
  async run(sql: string, parameters: unknown[]): Promise<Row[]> {
    return this.#explaining(() => this.#access.query(sql, parameters))
  }

  async #explaining<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (cause) {
      throw await this.#explained(cause)
    }
  }

  close(): Promise<void> {
    return this.#access.close()
  }

  /** Where data keys are inline, a value that names a stored one was forged, or is from before that was so. */
  #noTable(cause?: unknown): DataKeyMissingError {
    return new DataKeyMissingError(
      `the ciphertext names a stored data key, and there is no table ${this.name}. Is that table in another schema, or was it lost? Name it with dataKeys, or restore it from a backup. If there never was one, the value was forged.`,
      { cause },
    )
  }

  async #explained(cause: unknown): Promise<Error> {
    if (cause instanceof InvalidOptionError) return cause
    const failure = this.#dialect.failureOf(cause)
    // In a transaction that failed the only connection answers nothing more.
    const exists =
      failure === 'no-table' ? false : await this.#access.hasTable(this.name).catch(() => undefined)
    if (exists === false) {
      return new KeyTableMissingError(
        `the table ${this.name} of the stored data keys is not in the database. Make it: typeorm-kms migration:generate writes the migration (TypeORM's own migration:generate as well), and migration:run runs it. A migration that makes it must be committed before one that stores values.`,
        { cause },
      )
    }
    const remedy =
      failure === 'denied' || failure === 'policy'
        ? `The database role may not: grant it SELECT and INSERT${failure === 'policy' ? ', and have no policy of row level security on the table' : ''} (rotate and forget need UPDATE as well).`
        : 'Repeat the operation; see the cause.'
    return new KeyTableUnavailableError(
      `the table ${this.name} of the stored data keys could not be read or written. ${remedy}`,
      { cause },
    )
  }

  #selectSql(condition: string): string {
    const names = ALL.map((name) => this.#escape(name)).join(', ')
    return `SELECT ${names} FROM ${this.sql} WHERE ${condition} ORDER BY ${this.#escape(createdAt)} DESC, ${this.#escape(id)}`
  }

  #read(row: Row): StoredDataKey {
    return {
      id: this.#bytes(row, id),
      purpose: String(row[purpose]) as DataKeyPurpose,
      contextHash: this.#bytes(row, contextHash),
      context: typeof row[context] === 'string' ? row[context] : undefined,
      keyReference: String(row[kmsKey]),
      encrypted: encryptedOf(row[encryptedDataKey]),
      createdAt: dateOf(row[createdAt]) ?? new Date(0),
      retiredAt: dateOf(row[retiredAt]),
      destroyAt: dateOf(row[destroyAt]),
      destroyedAt: dateOf(row[destroyedAt]),
    }
  }

  #bytes(row: Row, name: string): Buffer {
    const value = row[name]
    if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    throw new DriverValueError(
      `the driver delivered something else than bytes for ${this.name}.${name}. A setting of the driver (typeCast, a type parser) converts binary columns: remove it.`,
    )
  }

  #list(count: number): string {
    return Array.from({ length: count }, (_, index) => this.#dialect.placeholder(index + 1)).join(', ')
  }

  #escape(name: string): string {
    return this.#dataSource.driver.escape(name)
  }
}

/** The key table of each configured DataSource. */
export const keyTables = new WeakMap<DataSource, KeyTable>()

/** Whatever else somebody put there (SQLite takes anything) does not open, and is named where it is tried. */
function encryptedOf(value: unknown): EncryptedDataKey | undefined {
  if (value === null || value === undefined) return undefined
  return asEncryptedDataKey(value instanceof Uint8Array ? value : new Uint8Array())
}

/** The latest time that there is in JavaScript, in milliseconds before and after 1970. */
const LAST = 8.64e15

/** What is no time that there is, because somebody wrote it, counts as the last one: it was set. */
function dateOf(milliseconds: unknown): Date | undefined {
  if (milliseconds === null || milliseconds === undefined) return undefined
  const time = Number(milliseconds)
  return new Date(Math.abs(time) <= LAST ? time : LAST)
}
