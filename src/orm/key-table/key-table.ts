import { type DataSource } from 'typeorm'
import {
  type DataKeyPurpose,
  type DataKeyStore,
  type NewDataKey,
  type StoredDataKey,
} from '../../cipher/data-keys/store'
import { type Dialect, dialectOf } from '../../dialects'
import { DriverValueError, KeyTableMissingError, KeyTableUnavailableError } from '../../errors'
import { asEncryptedDataKey } from '../../kms/bytes'
import { KEY_TABLE_COLUMNS, KEY_TABLE_ENTITY } from './entity'
import { type KeyTableAccess, keyTableAccess } from './key-table-access'
import { type KeyTableSettings } from './key-table-options'

type Row = Record<string, unknown>

const { id, purpose, contextHash, context, kmsKey, encryptedDataKey } = KEY_TABLE_COLUMNS
const { createdAt, retiredAt, destroyAt, destroyedAt } = KEY_TABLE_COLUMNS
const ALL = Object.values(KEY_TABLE_COLUMNS)

/** The table of the stored data keys in the database of a DataSource. */
export class KeyTable implements DataKeyStore {
  readonly settings: KeyTableSettings
  readonly #dataSource: DataSource
  readonly #dialect: Dialect
  readonly #access: KeyTableAccess

  constructor(dataSource: DataSource, settings: KeyTableSettings) {
    this.settings = settings
    this.#dataSource = dataSource
    this.#dialect = dialectOf(dataSource.options.type)
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
    return this.name
      .split('.')
      .map((part) => this.#escape(part))
      .join('.')
  }

  get isTentative(): boolean {
    return this.#access.isInTransaction
  }

  async find(ids: readonly Buffer[]): Promise<StoredDataKey[]> {
    return ids.length === 0 ? [] : this.select(`${this.#escape(id)} IN (${this.#list(ids.length)})`, [...ids])
  }

  current(wanted: DataKeyPurpose, hash: Buffer): Promise<StoredDataKey[]> {
    const [first, second] = [this.#dialect.placeholder(1), this.#dialect.placeholder(2)]
    const conditions = [
      `${this.#escape(purpose)} = ${first}`,
      `${this.#escape(contextHash)} = ${second}`,
      ...[retiredAt, destroyAt, destroyedAt].map((name) => `${this.#escape(name)} IS NULL`),
      `${this.#escape(encryptedDataKey)} IS NOT NULL`,
    ]
    return this.select(conditions.join(' AND '), [wanted, hash])
  }

  async add(key: NewDataKey): Promise<void> {
    const values: Record<string, unknown> = {
      [id]: key.id,
      [purpose]: key.purpose,
      [contextHash]: key.contextHash,
      [context]: key.context ?? null,
      [kmsKey]: key.keyReference,
      [encryptedDataKey]: Buffer.from(key.encrypted),
      [createdAt]: key.createdAt.getTime(),
    }
    const names = Object.keys(values)
    await this.run(
      `INSERT INTO ${this.sql} (${names.map((name) => this.#escape(name)).join(', ')}) VALUES (${this.#list(names.length)})`,
      Object.values(values),
    )
  }

  /** Rows by a condition in SQL, the newest first. */
  async select(condition: string, parameters: unknown[] = []): Promise<StoredDataKey[]> {
    const names = ALL.map((name) => this.#escape(name)).join(', ')
    const rows = await this.run(
      `SELECT ${names} FROM ${this.sql} WHERE ${condition} ORDER BY ${this.#escape(createdAt)} DESC, ${this.#escape(id)}`,
      parameters,
    )
    return rows.map((row) => this.#read(row))
  }

  /** Sends a statement about the table. Throws `KeyTableMissingError` and `KeyTableUnavailableError`. */
  async run(sql: string, parameters: unknown[]): Promise<Row[]> {
    try {
      return await this.#access.query(sql, parameters)
    } catch (cause) {
      throw await this.#explained(cause)
    }
  }

  close(): Promise<void> {
    return this.#access.close()
  }

  async #explained(cause: unknown): Promise<Error> {
    const exists = await this.#access.hasTable(this.name).catch(() => undefined)
    if (exists === false) {
      return new KeyTableMissingError(
        `the table ${this.name} of the stored data keys is not in the database. Make it: typeorm-kms migration:generate writes the migration (TypeORM's own migration:generate as well), and migration:run runs it. A migration that makes it must be committed before one that stores values.`,
        { cause },
      )
    }
    return new KeyTableUnavailableError(
      `the table ${this.name} of the stored data keys could not be read or written. Repeat the operation; see the cause.`,
      { cause },
    )
  }

  #read(row: Row): StoredDataKey {
    return {
      id: this.#bytes(row, id),
      purpose: String(row[purpose]) as DataKeyPurpose,
      contextHash: this.#bytes(row, contextHash),
      context: typeof row[context] === 'string' ? row[context] : undefined,
      keyReference: String(row[kmsKey]),
      encrypted:
        row[encryptedDataKey] === null ? undefined : asEncryptedDataKey(this.#bytes(row, encryptedDataKey)),
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

function dateOf(milliseconds: unknown): Date | undefined {
  return milliseconds === null || milliseconds === undefined ? undefined : new Date(Number(milliseconds))
}
