import { type KmsEncryption, type KmsEncryptionMetrics } from 'typeorm-kms-encrypted'
import { type Connection } from '../ormconfig'
import { Application } from './application'
import { createTables, dropTables, isSqlite } from './database'
import { type Narrator } from './narrator'

/** The operations that values need; to administer keys is another matter. */
type KmsCalls = Pick<KmsEncryptionMetrics['kmsCalls'], 'GenerateDataKey' | 'Encrypt' | 'Decrypt'>

/** A step of the story. */
export interface Step {
  title: string
  play(stage: Stage): Promise<void>
}

/** What the steps share: the narrator, the running application, and what earlier steps found out. */
export class Stage {
  /** Id and ARN of the KMS key. */
  keyId = ''
  keyArn = ''
  readonly #encryptions: KmsEncryption[]

  private constructor(
    readonly narrator: Narrator,
    readonly application: Application,
  ) {
    this.#encryptions = [application.encryption]
  }

  static async set(narrator: Narrator): Promise<Stage> {
    const application = await Application.start()
    await createTables(application.dataSource)
    return new Stage(narrator, application)
  }

  /** Another process of the application: nothing is cached in it. */
  async inFreshProcess<T>(use: (application: Application) => Promise<T>): Promise<T> {
    const application = await Application.start()
    this.#encryptions.push(application.encryption)
    try {
      return await use(application)
    } finally {
      await application.stop()
    }
  }

  /** Another application, whose calls to KMS count as well. */
  watch(connection: Connection): Connection {
    this.#encryptions.push(connection.encryption)
    return connection
  }

  /** Calls to KMS of all processes so far. */
  kmsCalls(): KmsCalls {
    const counts = this.#encryptions.map((encryption) => encryption.metrics().kmsCalls)
    const total = (operation: keyof KmsCalls) => counts.reduce((sum, calls) => sum + calls[operation], 0)
    return {
      GenerateDataKey: total('GenerateDataKey'),
      Encrypt: total('Encrypt'),
      Decrypt: total('Decrypt'),
    }
  }

  /** A server's database is left as it was found. The SQLite file stays, to be looked at. */
  async clear(): Promise<void> {
    const { dataSource } = this.application
    try {
      if (!isSqlite()) await dropTables(dataSource)
    } finally {
      await this.application.stop()
    }
  }
}
