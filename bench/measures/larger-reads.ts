import {
  Column,
  type DataSourceOptions,
  DataSource,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type Repository,
} from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { AwsEncryptionSdk } from '../contenders/aws-encryption-sdk'
import { scope } from '../contenders/library'
import { NodeCrypto } from '../contenders/node-crypto'
import { typeormEncrypted, typeormEncryptedJson } from '../contenders/typeorm-encrypted'
import { type Bench } from '../support/bench'
import { compareAdded } from '../support/comparison'
import { type Place } from '../support/databases'
import { type BenchKms, KEY } from '../support/kms'
import { privateKey } from '../support/workload'

const PAGE = 1_000
const NOTES = 5
/** Rows of 10 kB of JSON; the aim is for 10,000. */
const DOCUMENTS = Number(process.env['BENCH_JSON_ROWS'] ?? 1_000)
const AIM = 1.3

type Secret = (type: 'string' | 'json') => PropertyDecorator

/** What the columns of each application are. */
const SECRETS = {
  plain: (type) => Column(type === 'json' ? { type: 'simple-json' } : { type: 'text' }),
  own: (type) => KmsEncrypted({ type, maxLength: 20_000 }),
  transformed: (type) =>
    type === 'json'
      ? Column({ type: 'simple-json', transformer: typeormEncryptedJson })
      : Column({ type: 'text', transformer: typeormEncrypted }),
} as const satisfies Record<string, Secret>

interface Page {
  id: number
  first: string
  second: string
  third: string
  fourth: string
  fifth: string
}

interface Owner {
  id: number
  secret: string
  notes: Note[]
}

interface Note {
  id: number
  text: string
  owner: Owner
}

interface Stored {
  id: number
  data: unknown
}

/** The tables of one application. */
interface Side {
  readonly page: Repository<Page>
  readonly owner: Repository<Owner>
  readonly note: Repository<Note>
  readonly stored: Repository<Stored>
  close(): Promise<void>
}

/** A page of rows with five encrypted columns, a join of two tables that have some, rows with 10 kB of JSON. */
export async function largerReads({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  const bare = new NodeCrypto(scope.aad.length)
  for (const place of allPlaces) {
    const sides = {
      plain: await open(place, 'plain'),
      own: await open(place, 'own', kms),
      transformed: await open(place, 'transformed'),
    }
    const pages = Array.from({ length: PAGE }, (_, id) => pageRow(id))
    const owners = Array.from({ length: PAGE }, (_, id) => ({ id, secret: privateKey() }))
    const notes = owners.flatMap((owner) =>
      Array.from({ length: NOTES }, (_, at) => ({ id: owner.id * NOTES + at, text: privateKey(), owner })),
    )
    const documents = Array.from({ length: DOCUMENTS }, (_, id) => ({ id, data: documentOf() }))
    const rounds = quick ? 7 : 15
    const read = (sealed: readonly Buffer[]) => ({ run: () => sealed.map((bytes) => bare.open(bytes)) })
    const sealed = (texts: readonly string[]) => texts.map((text) => bare.seal(text))
    try {
      for (const { page, owner, note, stored } of Object.values(sides)) {
        await page.save(pages, { chunk: 500 })
        await owner.save(owners, { chunk: 500 })
        await note.save(notes, { chunk: 500 })
        await stored.save(documents, { chunk: 100 })
      }
      const against = (
        measure: string,
        run: (side: Side) => () => Promise<unknown>,
        texts: readonly string[],
        sdk?: { readonly run: () => Promise<unknown> },
      ) =>
        compareAdded(
          report,
          { measure, on: place.name, aim: AIM },
          {
            plain: { run: run(sides.plain) },
            own: { run: run(sides.own) },
            transformed: { run: run(sides.transformed) },
            bare: read(sealed(texts)),
            ...(sdk && { sdk }),
            rounds,
          },
        )
      const values = pages.flatMap(({ first, second, third, fourth, fifth }) => [
        first,
        second,
        third,
        fourth,
        fifth,
      ])
      await against(
        `page of ${PAGE.toLocaleString('en')} rows with 5 encrypted columns`,
        ({ page }) =>
          () =>
            page.find({ order: { id: 'ASC' }, take: PAGE }),
        values,
        // It knows no database, and takes seconds.
        place.options.type === 'better-sqlite3' ? await openedBySdk(kms, values) : undefined,
      )
      await against(
        `join of ${PAGE.toLocaleString('en')} rows with ${NOTES} each, both encrypted`,
        ({ owner }) =>
          () =>
            owner.find({ relations: { notes: true } }),
        [...owners.map(({ secret }) => secret), ...notes.map(({ text }) => text)],
      )
      await against(
        `${DOCUMENTS.toLocaleString('en')} rows of 10 kB of JSON`,
        ({ stored }) =>
          () =>
            stored.find(),
        documents.map(({ data }) => JSON.stringify(data)),
      )
    } finally {
      for (const side of Object.values(sides)) await side.close()
    }
  }
}

function pageRow(id: number): Page {
  const [first, second, third, fourth, fifth] = [0, 1, 2, 3, 4].map(privateKey) as [
    string, string, string, string, string,
  ] // prettier-ignore
  return { id, first, second, third, fourth, fifth }
}

/** 10 kB as text. */
function documentOf(): unknown {
  return { lines: Array.from({ length: 71 }, (_, at) => ({ at, text: privateKey() })) }
}

/** Without signatures, which this library does not have either. */
async function openedBySdk(kms: BenchKms, values: readonly string[]) {
  const sdk = new AwsEncryptionSdk(kms, { signed: false })
  const sealed: Buffer[] = []
  for (const value of values) sealed.push(await sdk.seal(value))
  return {
    async run() {
      for (const bytes of sealed) await sdk.open(bytes)
    },
  }
}

async function open({ options }: Place, name: keyof typeof SECRETS, kms?: BenchKms): Promise<Side> {
  const secret: Secret = SECRETS[name]
  const prefix = `larger_${name}`
  @Entity(`${prefix}_page`)
  class PageRow implements Page {
    @PrimaryColumn('integer') id!: number
    @secret('string') first!: string
    @secret('string') second!: string
    @secret('string') third!: string
    @secret('string') fourth!: string
    @secret('string') fifth!: string
  }
  @Entity(`${prefix}_owner`)
  class OwnerRow implements Owner {
    @PrimaryColumn('integer') id!: number
    @secret('string') secret!: string
    @OneToMany(() => NoteRow, (note) => note.owner) notes!: NoteRow[]
  }
  @Entity(`${prefix}_note`)
  class NoteRow implements Note {
    @PrimaryColumn('integer') id!: number
    @secret('string') text!: string
    @ManyToOne(() => OwnerRow, (owner) => owner.notes) owner!: OwnerRow
  }
  @Entity(`${prefix}_stored`)
  class StoredRow implements Stored {
    @PrimaryColumn('integer') id!: number
    @secret('json') data!: unknown
  }
  const entities = [PageRow, OwnerRow, NoteRow, StoredRow]
  const given = { ...options, entities, synchronize: true } as DataSourceOptions
  const encryption = kms && kmsEncryption({ keyId: KEY, client: kms.client })
  const dataSource = await new DataSource(encryption?.configure(given) ?? given).initialize()
  return {
    page: dataSource.getRepository(PageRow),
    owner: dataSource.getRepository(OwnerRow),
    note: dataSource.getRepository(NoteRow),
    stored: dataSource.getRepository(StoredRow),
    async close() {
      await dataSource.dropDatabase()
      await dataSource.destroy()
      encryption?.close()
    },
  }
}
