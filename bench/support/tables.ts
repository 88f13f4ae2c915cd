import {
  DataSource,
  type DataSourceOptions,
  type EntityTarget,
  type ObjectLiteral,
  type Repository,
} from 'typeorm'
import { kmsEncryption, type KmsEncryption, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { type Place } from './databases'
import { type BenchKms, KEY } from './kms'
import { StatementCounter } from '../../test/support/statements'

/** How a contender's table is reached: with `kms`, as by an application that uses the library. */
export interface Access {
  kms?: BenchKms
  options?: Partial<KmsEncryptionOptions>
}

/** A contender's table on a database, with a DataSource of its own. */
export class Table<Row extends ObjectLiteral> {
  readonly repository: Repository<Row>

  private constructor(
    readonly dataSource: DataSource,
    readonly statements: StatementCounter,
    readonly encryption: KmsEncryption | undefined,
    target: EntityTarget<Row>,
  ) {
    this.repository = dataSource.getRepository(target)
  }

  static async open<Row extends ObjectLiteral>(
    place: Place,
    target: EntityTarget<Row>,
    { kms, options }: Access = {},
  ): Promise<Table<Row>> {
    const statements = new StatementCounter()
    const given = {
      ...place.options,
      entities: [target],
      synchronize: true,
      logging: ['query'],
      logger: statements,
    } as DataSourceOptions
    const encryption = kms && kmsEncryption({ keyId: KEY, client: kms.client, ...options })
    const dataSource = await new DataSource(encryption?.configure(given) ?? given).initialize()
    return new Table(dataSource, statements, encryption, target)
  }

  /** Stores the rows as they are, ciphertexts too, past TypeORM. */
  async insertRaw(rows: readonly (readonly [id: number, stored: unknown])[]): Promise<void> {
    const { tableName } = this.repository.metadata
    for (let start = 0; start < rows.length; start += 1_000) {
      const page = rows.slice(start, start + 1_000)
      const places = page.map(() => '(?, ?)').join(', ')
      await this.dataSource.query(`INSERT INTO ${tableName} (id, privateKey) VALUES ${places}`, page.flat())
    }
  }

  /** What lies in the database. */
  async stored(): Promise<[id: number, stored: unknown][]> {
    const { tableName } = this.repository.metadata
    const rows = await this.dataSource.query<{ id: number; privateKey: unknown }[]>(
      `SELECT id, privateKey FROM ${tableName} ORDER BY id`,
    )
    return rows.map(({ id, privateKey }) => [id, privateKey])
  }

  async close(): Promise<void> {
    await this.dataSource.destroy()
    this.encryption?.close()
  }
}
