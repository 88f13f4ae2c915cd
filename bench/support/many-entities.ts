/** A process with many entities: says how long `initialize()` takes, with columns of the kind that is named. */
import 'reflect-metadata'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { typeormEncrypted } from '../contenders/typeorm-encrypted'
import { KEY, startKms } from './kms'

const SECRETS: Readonly<Record<string, () => PropertyDecorator>> = {
  plain: () => Column({ type: 'text' }),
  'this library': () => KmsEncrypted(),
  'typeorm-encrypted': () => Column({ type: 'text', transformer: typeormEncrypted }),
}

const ENTITIES = 1_000
/** So many of them have encrypted columns. */
const ENCRYPTED = 300

function entities(secret: () => PropertyDecorator): unknown[] {
  return Array.from({ length: ENTITIES }, (_, at) => {
    const second = at < ENCRYPTED ? secret : () => Column({ type: 'text' })
    @Entity(`entity_${at}`)
    class Row {
      @PrimaryGeneratedColumn() id!: number
      @Column() name!: string
      @second() first!: string
      @second() second!: string
      @Column({ nullable: true, type: 'integer' }) number!: number | null
    }
    return Row
  })
}

async function main(): Promise<void> {
  const name = process.argv[2] ?? 'plain'
  const secret = SECRETS[name]
  if (!secret) throw new Error(`There are no columns called ${name}`)
  const isEncrypted = name === 'this library'
  const { client } = await startKms()
  const encryption = kmsEncryption({ keyId: KEY, client })
  const options = { type: 'better-sqlite3', database: ':memory:' } as DataSourceOptions
  // What is loaded by the first of them is no matter of entities.
  await new DataSource(isEncrypted ? encryption.configure({ ...options }) : options).initialize()
  const all = entities(secret)
  const given = { ...options, entities: all } as DataSourceOptions
  const start = performance.now()
  const dataSource = new DataSource(isEncrypted ? encryption.configure(given) : given)
  await dataSource.initialize()
  const took = performance.now() - start
  await dataSource.destroy()
  encryption.close()
  process.stdout.write(`${took}\n`)
}

void main()
