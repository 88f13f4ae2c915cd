import 'reflect-metadata'
import Database from 'better-sqlite3'
import { Entity, type DataSourceOptions, PrimaryGeneratedColumn } from 'typeorm'
import { DriverValueError, KmsEncrypted } from 'typeorm-kms-encrypted'
import { decryptColumns, encryptColumns, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { type DatabaseName, describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Strict {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string
  @KmsEncrypted() bytes!: Buffer
}

/** Reads plaintext as well, and takes what does not open for a marker: neither may hide a mangled ciphertext. */
@Entity()
class Lenient {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ acceptPlaintext: true, onUndecryptable: 'marker' }) secret!: string
  @KmsEncrypted({ acceptPlaintext: true, onUndecryptable: 'marker' }) bytes!: Buffer
}

type Convert = (bytes: Buffer) => unknown

/** Options with which the driver converts binary columns. */
const CONVERTING: Record<DatabaseName, (convert: Convert) => Record<string, unknown>> = {
  mariadb: (convert) => ({
    extra: {
      typeCast: (field: { type: string; buffer(): Buffer | null }, next: () => unknown) => {
        if (!/BLOB/.test(field.type)) return next()
        const bytes = field.buffer()
        return bytes && convert(bytes)
      },
    },
  }),
  postgres: (convert) => ({
    extra: {
      types: {
        getTypeParser: (oid: number) => (text: string) => {
          if (oid === 17) return convert(Buffer.from(text.slice(2), 'hex'))
          return [20, 21, 23].includes(oid) ? Number(text) : text
        },
      },
    },
  }),
  sqlite: (convert) => ({
    driver: class extends Database {
      override prepare(sql: string): never {
        const statement = super.prepare(sql)
        const all = statement.all.bind(statement)
        const row = (columns: object): object =>
          Object.fromEntries(
            Object.entries(columns).map(([name, value]) => [
              name,
              Buffer.isBuffer(value) ? convert(value) : value,
            ]),
          )
        Object.assign(statement, {
          all: (...args: unknown[]) => all(...args).map((each) => row(each as object)),
        })
        return statement as never
      }
    },
  }),
}

describeDatabases(
  'a driver that converts binary columns',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Strict, Lenient])
      for (const Entity of [Strict, Lenient])
        await app.dataSource.getRepository(Entity).save({ secret: 'of Ada', bytes: Buffer.from([0, 1, 255]) })
    })
    afterAll(() => app.stop())

    async function found(Entity: typeof Strict | typeof Lenient, convert: Convert): Promise<unknown> {
      const options = CONVERTING[db().name](convert) as Partial<DataSourceOptions>
      const { dataSource } = await app.restart({}, options)
      try {
        return await dataSource.getRepository(Entity).find()
      } finally {
        await dataSource.destroy()
      }
    }

    describe.each([Strict, Lenient])('into text, for %p', (Entity) => {
      it.each(['hex', 'latin1', 'utf8'] as const)(
        '(%s) is named, before a value is judged',
        async (encoding) => {
          const error = await failure(found(Entity, (bytes) => bytes.toString(encoding)))
          expect(error).toBeInstanceOf(DriverValueError)
          expect(error).toMatchObject({ code: 'DRIVER_VALUE', entity: Entity.name, property: 'secret' })
          expect(error.message).toMatch(
            { mariadb: /typeCast/, postgres: /bytea/, sqlite: /better-sqlite3/ }[db().name],
          )
        },
      )
    })

    it.each(['hex', 'latin1', 'utf8'] as const)(
      'into text (%s) ends every migration before a value is judged or written',
      async (encoding) => {
        const rows = (): Promise<unknown> => db().rawQuery('SELECT * FROM lenient')
        const before = await rows()
        const options = CONVERTING[db().name]((bytes) => bytes.toString(encoding))
        const { dataSource } = await app.restart({}, options)
        const run = [
          () => encryptColumns(dataSource, Lenient, ['secret', 'bytes']),
          () => rotateColumns(dataSource, Lenient, ['bytes'], { newDataKeys: true, skipFailed: true }),
          () => verifyColumns(dataSource, Lenient, ['secret']),
          () => decryptColumns(dataSource, Lenient, ['bytes'], { skipFailed: true }),
        ]
        for (const each of run) {
          expect(await failure(each())).toMatchObject({ code: 'DRIVER_VALUE', entity: 'Lenient' })
        }
        expect(await rows()).toEqual(before)
        await dataSource.destroy()
      },
    )

    it.each<[string, Convert]>([
      ['Uint8Array', (bytes) => new Uint8Array(bytes)],
      ['ArrayBuffer', (bytes) => new Uint8Array(bytes).buffer],
      ['DataView', (bytes) => new DataView(new Uint8Array(bytes).buffer)],
    ])('into another form of bytes (%s) changes nothing', async (_, convert) => {
      const values = { id: 1, secret: 'of Ada', bytes: Buffer.from([0, 1, 255]) }
      expect(await found(Strict, convert)).toEqual([values])
      expect(await found(Lenient, convert)).toEqual([values])
    })
  },
  { without: { sqljs: 'it wraps better-sqlite3', pglite: 'it sets type parsers of pg' } },
)
