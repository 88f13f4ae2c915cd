import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions, type EntityTarget, type ObjectLiteral } from 'typeorm'
import { kmsEncryption, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { generateMigration } from 'typeorm-kms-encrypted/migration'
import { type TestDatabase } from '../../support/databases'
import { KEY } from '../../support/encryption'

/** As 'mysql', TypeORM takes MariaDB's DEFAULT NULL for a text and would always find a change. */
export const MARIADB = { mariadbType: 'mariadb' } as const

/** Writes migrations into files, and connects with them as TypeORM's command line does. */
export class Generated {
  readonly #database: TestDatabase
  readonly #client: KMSClient
  readonly #open: DataSource[] = []
  readonly #folder = mkdtempSync(join(__dirname, '.generated-'))

  readonly #encryption: Partial<KmsEncryptionOptions>

  constructor(database: TestDatabase, client: KMSClient, encryption: Partial<KmsEncryptionOptions> = {}) {
    this.#database = database
    this.#client = client
    this.#encryption = encryption
  }

  async connect(entity: EntityTarget<ObjectLiteral>, options: object = {}): Promise<DataSource> {
    const encryption = kmsEncryption({ keyId: KEY, client: this.#client, ...this.#encryption })
    // TypeORM prints migrations that fail, unless its logger is one that is off by default.
    const given = { ...this.#database.options, logger: 'debug', entities: [entity], ...options }
    const dataSource = new DataSource(encryption.configure(given as DataSourceOptions))
    this.#open.push(dataSource)
    return dataSource.initialize()
  }

  /** Connects for as long as `use` takes. */
  async with<T>(
    entity: EntityTarget<ObjectLiteral>,
    use: (dataSource: DataSource) => Promise<T>,
    options: object = {},
  ): Promise<T> {
    const dataSource = await this.connect(entity, options)
    try {
      return await use(dataSource)
    } finally {
      await dataSource.destroy()
    }
  }

  /** The migration to the entity, and a connection that has it. */
  async migrate(
    entity: EntityTarget<ObjectLiteral>,
    name: string,
    options: object = {},
  ): Promise<[DataSource, string]> {
    const timestamp = Date.now()
    const text = await this.with(
      entity,
      (dataSource) => generateMigration(dataSource, name, timestamp),
      options,
    )
    if (text === undefined) throw new Error(`there is nothing to migrate: ${name}`)
    const file = join(this.#folder, `${timestamp}-${name}.ts`)
    writeFileSync(file, text)
    return [await this.connect(entity, { migrations: [file], ...options }), text]
  }

  /** All rows as the application sees them. */
  rows<T extends ObjectLiteral>(entity: new () => T): Promise<T[]> {
    return this.with(entity, (dataSource) =>
      dataSource.getRepository(entity).createQueryBuilder('r').orderBy('r.id').getMany(),
    )
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const dataSource of this.#open) if (dataSource.isInitialized) await dataSource.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
