import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  PrimaryColumn,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { type Bench } from '../support/bench'
import { compare } from '../support/comparison'
import { type Place } from '../support/databases'
import { type BenchKms, KEY } from '../support/kms'
import { privateKeys, ROWS } from '../support/workload'

/** Rows of one `save`, in chunks as an application would send them. */
const CHUNK = 1_000
/** Where each INSERT costs an UPDATE, fewer tell as much. */
const GENERATED = 2_000

abstract class Owned {
  @PrimaryColumn('integer') id!: number
  @Column('integer') tenantId!: number
}

@Entity()
class UnboundUser extends Owned {
  @KmsEncrypted() privateKey!: string
}

@Entity()
class RowBoundUser extends Owned {
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] } }) privateKey!: string
}

@Entity()
class GeneratedUser {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() privateKey!: string
}

@Entity()
class BoundGeneratedUser {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) privateKey!: string
}

/** What it costs that values are bound to their rows (`boundTo.row`): read, and written with either kind of id. */
export async function boundRows({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  const rounds = quick ? 9 : 21
  for (const place of allPlaces) {
    const { dataSource, close } = await open(place, kms)
    const [unbound, bound] = [dataSource.getRepository(UnboundUser), dataSource.getRepository(RowBoundUser)]
    const on = place.name
    const values = privateKeys(ROWS)
    const rows = () => values.map((privateKey, id) => ({ id, tenantId: id % 50, privateKey }))
    for (const table of [unbound, bound]) await table.save(rows(), { chunk: CHUNK })
    await compare(
      report,
      { measure: `find of ${ROWS.toLocaleString('en')} bound rows against unbound`, on, aim: 1.15 },
      { base: { run: () => unbound.find() }, own: { run: () => bound.find() }, rounds },
    )
    const saving = (entity: typeof UnboundUser | typeof RowBoundUser) => {
      const table = dataSource.getRepository<UnboundUser | RowBoundUser>(entity)
      return { prepare: () => table.clear(), run: () => table.save(rows(), { chunk: CHUNK }) }
    }
    await compare(
      report,
      { measure: `save of ${ROWS.toLocaleString('en')} new bound rows against unbound`, on, aim: 1.1 },
      { base: saving(UnboundUser), own: saving(RowBoundUser), rounds },
    )
    const generating = (entity: typeof GeneratedUser) => {
      const table = dataSource.getRepository(entity)
      return {
        prepare: () => table.clear(),
        run: () =>
          table.save(
            values.slice(0, GENERATED).map((privateKey) => ({ privateKey })),
            { chunk: CHUNK },
          ),
      }
    }
    await compare(
      report,
      {
        measure: `the same of ${GENERATED.toLocaleString('en')} whose ids the database makes`,
        on,
        aim: undefined,
      },
      { base: generating(GeneratedUser), own: generating(BoundGeneratedUser), rounds: quick ? 5 : 9 },
    )
    await close()
  }
}

async function open({ options }: Place, { client }: BenchKms) {
  const encryption = kmsEncryption({ keyId: KEY, client })
  const entities = [UnboundUser, RowBoundUser, GeneratedUser, BoundGeneratedUser]
  const given = { ...options, entities, synchronize: true } as DataSourceOptions
  const dataSource = await new DataSource(encryption.configure(given)).initialize()
  return {
    dataSource,
    close: async () => {
      await dataSource.dropDatabase()
      await dataSource.destroy()
      encryption.close()
    },
  }
}
