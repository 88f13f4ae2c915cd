/** A process with many entities: says how long `initialize()` takes, with `plain` or `encrypted` columns. */
import 'reflect-metadata'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { KEY, startKms } from './kms'

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
  const isEncrypted = process.argv[2] === 'encrypted'
  const { client } = await startKms()
  const encryption = kmsEncryption({ keyId: KEY, client })
  const options = { type: 'better-sqlite3', database: ':memory:' } as DataSourceOptions
  // What is loaded by the first of them is no matter of entities.
  await new DataSource(isEncrypted ? encryption.configure({ ...options }) : options).initialize()
  const all = entities(isEncrypted ? KmsEncrypted : () => Column({ type: 'text' }))
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
