import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  type MigrationOptions,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { describeDatabases, NEEDS_SERVER } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { type Relay, relayTo } from '../../support/relay'

const ROWS = 30

@Entity()
class Letter {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', acceptPlaintext: true }) text!: string
  @Column('int') pages!: number
  @KmsEncrypted({ type: 'number', nullable: true, mirrorOf: 'pages' }) length?: number | null
}

type Command = (dataSource: DataSource, options: MigrationOptions) => Promise<unknown>

const encrypt: Command = (dataSource, options) => encryptColumns(dataSource, Letter, ['text'], options)
const fill: Command = (dataSource, options) => encryptColumns(dataSource, Letter, ['length'], options)
const rotate: Command = (dataSource, options) =>
  rotateColumns(dataSource, Letter, ['text'], { ...options, newDataKeys: true })
const decrypt: Command = (dataSource, options) => decryptColumns(dataSource, Letter, ['text'], options)
const verify: Command = (dataSource, options) => verifyColumns(dataSource, Letter, ['text'], options)

const GOES_ON = 'run the same again to go on.'

describeDatabases(
  'A run whose connection to the database breaks',
  (db) => {
    let relay: Relay
    let app: TestApplication

    beforeAll(async () => {
      const relayed = await relayTo(db())
      relay = relayed.relay
      app = await startApplication(db(), [Letter], {}, relayed.options)
      for (let id = 0; id < ROWS; id++)
        await db().rawQuery(`INSERT INTO letter (id, text, pages) VALUES (${id}, ?, ${id})`, [
          Buffer.from('x'),
        ])
    })
    afterAll(async () => {
      await app.stop()
      await relay.close()
    })

    const plaintexts = async (): Promise<number> =>
      (await columnStatus(app.dataSource, Letter, 'text')).plaintext
    /** Loses the answer to the first such statement after the first batch. */
    const lost = (command: Command, statement: string, options: MigrationOptions = {}): Promise<Error> => {
      let cutsOn: string | undefined = statement
      const onProgress = (): void => {
        if (cutsOn !== undefined) relay.cutOn(cutsOn, 'after')
        cutsOn = undefined
      }
      const slowly = { batchSize: 10, concurrency: 1, onProgress }
      return failure(command(app.dataSource, { ...slowly, ...options }))
    }

    test.each<[string, Command, statement: string, stays: string, MigrationOptions]>([
      ['fill', fill, 'UPDATE ', `At least 10 of ${ROWS} rows were filled and stay so; ${GOES_ON}`, {}],
      ['encrypt, dry', encrypt, 'SELECT ', 'Nothing was changed; run the same again.', { dryRun: true }],
      [
        'encrypt',
        encrypt,
        'COMMIT',
        `At least 10 of ${ROWS} rows were encrypted and stay so; ${GOES_ON}`,
        {},
      ],
      [
        'rotate',
        rotate,
        'COMMIT',
        `At least 10 of ${ROWS} rows were rotated and stay so. Run the same again: it begins with the first row, because a new data key cannot be told from an old one.`,
        {},
      ],
      ['verify', verify, 'SELECT ', 'Nothing was changed; run the same again.', {}],
      [
        'decrypt',
        decrypt,
        'COMMIT',
        `At least 10 of ${ROWS} rows were decrypted and stay so; ${GOES_ON}`,
        {},
      ],
    ])('%s: says what stays, and can be run again', async (_, command, statement, stays, options) => {
      const error = await lost(command, statement, options)
      expect(error).toMatchObject({ code: 'DATABASE_FAILED', kind: 'run', entity: 'Letter' })
      expect(error.message).toMatch(/: the database failed: .*(ECONNRESET|terminated|closed|lost)/i)
      expect(error.message).toContain(`. ${stays}`)
      const [result] = (await command(app.dataSource, options)) as { rows: number }[]
      if (command === encrypt) expect(await plaintexts()).toBe(options.dryRun ? ROWS : 0)
      if (command === decrypt) expect(await plaintexts()).toBe(ROWS)
      expect(result?.rows).toBe(command === fill ? ROWS - 11 : ROWS)
    })
  },
  { databases: ['mariadb', 'postgres'], without: NEEDS_SERVER },
)
