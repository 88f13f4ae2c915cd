import { Column, DataSource, type DataSourceOptions, Entity, In, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { type Bench } from '../support/bench'
import { compare } from '../support/comparison'
import { type Place } from '../support/databases'
import { type BenchKms, KEY } from '../support/kms'

const PARAMETERS = 10_000
const BY_KEY = 300
const AT_ONCE = 2
const AIM = 1.02

@Entity()
class UntouchedRow {
  @PrimaryColumn('integer') id!: number
  @Column('varchar', { length: 60 }) name!: string
}

@Entity()
class UntouchedSecret {
  @PrimaryColumn('integer') id!: number
  @KmsEncrypted() secret!: string
}

/** Statements that touch no encrypted column, of an application that has some, against plain TypeORM. */
export async function untouchedStatements({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  const rounds = quick ? 9 : 11
  const rows = Array.from({ length: PARAMETERS / 2 }, (_, id) => ({ id, name: `name ${id}` }))
  // Few of them are there: what is read is the statement, not its rows.
  const ids = Array.from({ length: PARAMETERS }, (_, at) => at * 100)
  for (const place of allPlaces) {
    const { own, plain, close } = await open(place, kms)
    const against = (
      measure: string,
      side: (dataSource: DataSource) => Parameters<typeof compare>[2]['own'],
    ) =>
      compare(
        report,
        { measure: `${measure}, nothing encrypted in it`, on: place.name, aim: AIM },
        { base: side(plain), own: side(own), rounds },
      )
    for (const dataSource of new Set([own, plain])) await dataSource.getRepository(UntouchedRow).clear()
    await against(`INSERT of ${PARAMETERS.toLocaleString('en')} parameters`, (dataSource) => {
      const table = dataSource.getRepository(UntouchedRow)
      return {
        prepare: () => table.clear(),
        async run() {
          for (let turn = 0; turn < 2; turn++)
            await table.insert(rows.map(({ id, name }) => ({ id: id + turn * PARAMETERS, name })))
        },
      }
    })
    await against(`${BY_KEY} × one row by its key`, (dataSource) => ({
      async run() {
        const table = dataSource.getRepository(UntouchedRow)
        for (let at = 0; at < BY_KEY; at++) await table.findOneBy({ id: at })
      },
    }))
    await against(`${AT_ONCE} × IN of ${PARAMETERS.toLocaleString('en')} values`, (dataSource) => ({
      async run() {
        for (let turn = 0; turn < AT_ONCE; turn++)
          await dataSource.getRepository(UntouchedRow).findBy({ id: In(ids) })
      },
    }))
    await close()
  }
}

async function open({ options }: Place, { client }: BenchKms) {
  const encryption = kmsEncryption({ keyId: KEY, client })
  const given = {
    ...options,
    entities: [UntouchedRow, UntouchedSecret],
    synchronize: true,
  } as DataSourceOptions
  const own = await new DataSource(encryption.configure(given)).initialize()
  // In memory each connection has a database of its own.
  const isOfItsOwn = options.type === 'better-sqlite3'
  const others = { ...options, entities: [UntouchedRow], synchronize: isOfItsOwn } as DataSourceOptions
  const plain = await new DataSource(others).initialize()
  // As an application does, which then has read and written something encrypted.
  await own.getRepository(UntouchedSecret).save({ id: 1, secret: 'secret' })
  await own.getRepository(UntouchedSecret).find()
  return {
    own,
    plain,
    close: async () => {
      await own.dropDatabase()
      await own.destroy()
      await plain.destroy()
      encryption.close()
    },
  }
}
