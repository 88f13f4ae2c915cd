import { type EntityTarget, type ObjectLiteral, type Repository } from 'typeorm'
import { connect, type Connection } from '../ormconfig'
import { ApiSecret } from './entities/api-secret'
import { User } from './entities/user'
import { Users } from './users'

/** A row as it is in the database, past TypeORM's entities. */
export type StoredRow = Readonly<Record<string, unknown>>

/** A process of the application, as far as this story needs one: its connections and its services. */
export class Application {
  readonly users: Users
  readonly apiSecrets: Repository<ApiSecret>

  private constructor(private readonly connection: Connection) {
    this.users = new Users(this.dataSource.getRepository(User))
    this.apiSecrets = this.dataSource.getRepository(ApiSecret)
  }

  static async start(): Promise<Application> {
    const connection = connect()
    await connection.dataSource.initialize()
    return new Application(connection)
  }

  get dataSource(): Connection['dataSource'] {
    return this.connection.dataSource
  }

  get encryption(): Connection['encryption'] {
    return this.connection.encryption
  }

  /** Rows of an entity's table, in the order of their ids. Raw queries see what the database holds. */
  async storedRows(entity: EntityTarget<ObjectLiteral>): Promise<StoredRow[]> {
    const table = this.dataSource.driver.escape(this.dataSource.getMetadata(entity).tableName)
    const rows = await this.dataSource.query<StoredRow[]>(`SELECT * FROM ${table} ORDER BY id`)
    // sql.js delivers Uint8Arrays.
    const bytes = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value)
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, bytes(value)])),
    )
  }

  /** Disconnects, and zero-fills the data keys in memory. */
  async stop(): Promise<void> {
    await this.dataSource.destroy()
    this.encryption.close()
  }
}
