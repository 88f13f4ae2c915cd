import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms'
import { Column, DataSource, Entity, type ObjectLiteral, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted, kmsEncryption, type KmsEncryption } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { boundColumns } from '../../../../src/orm/bound-columns'
import { noteMove } from '../../../../src/orm/row/moved-values'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { type BlindIndex } from '../../../../src/orm/search/blind-index'
import { announceInsert, announceUpdate } from '../../../../src/orm/write/announcement'
import { SealedAhead } from '../../../../src/orm/write/sealed-ahead'
import { settle } from '../../../../src/orm/write/settled'
import { PendingCiphertext } from '../../../../src/orm/write/tokens'

@Entity()
class Plain {
  @PrimaryColumn() id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: unknown
  @KmsEncrypted({ type: 'string', nullable: true, insert: false }) later!: unknown
}

@Entity()
class Bound {
  @PrimaryColumn() id!: number
  @KmsEncrypted({ type: 'buffer', boundTo: { row: ['id'] } }) secret!: unknown
}

@Entity()
class DirectBound {
  @PrimaryColumn() id!: number
  @KmsEncrypted({ type: 'string', mode: 'direct', boundTo: { row: ['id'] } }) secret!: unknown
}

@Entity()
class Tenant {
  @PrimaryColumn() id!: number
  @Column({ type: 'integer' }) tenantId!: number
  @KmsEncrypted({ type: 'string', keyPer: ['tenantId'] }) secret!: unknown
}

@Entity()
class Document {
  @PrimaryColumn() id!: number
  @KmsEncrypted({ type: 'json' }) data!: unknown
}

@Entity()
class RolledOut {
  @PrimaryColumn() id!: number
  @KmsEncrypted({ type: 'string', acceptPlaintext: true, writes: 'plaintext' }) secret!: string
}

let kms: LocalKms
let encryption: KmsEncryption
let dataSource: DataSource
let queryRunner: QueryRunner

beforeEach(async () => {
  kms = new LocalKms({ quiet: true })
  const client = kms.client({ maxAttempts: 1 })
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await client.send(new CreateAliasCommand({ AliasName: 'alias/test', TargetKeyId: KeyMetadata!.KeyId }))
  encryption = kmsEncryption({ keyId: 'alias/test', client, cache: { maxKeys: 4 } })
  const options = encryption.configure({
    type: 'better-sqlite3',
    database: ':memory:',
    entities: [Plain, Bound, DirectBound, Tenant, Document, RolledOut],
    synchronize: true,
  })
  dataSource = await new DataSource(options).initialize()
  queryRunner = dataSource.createQueryRunner()
})

afterEach(async () => {
  await queryRunner.release()
  await dataSource.destroy()
  encryption.close()
})

const columnOf = (entity: new () => object, at = 0): BoundColumn =>
  boundColumns(dataSource.getMetadata(entity))[at]!
const insert = (entity: new () => object, values: ObjectLiteral): Promise<unknown> | undefined =>
  announceInsert(queryRunner, dataSource.getMetadata(entity), values)
const update = (
  entity: new () => object,
  values: ObjectLiteral,
  ...changed: BoundColumn[]
): Promise<unknown> | undefined =>
  announceUpdate(
    queryRunner,
    dataSource.getMetadata(entity),
    values,
    changed.map(({ metadata }) => metadata),
  )
const ahead = (): SealedAhead => SealedAhead.of(queryRunner)

describe('Before an insert', () => {
  it('the data key is fetched, once, and the value is encrypted ahead', async () => {
    const column = columnOf(Plain)
    const prepare = jest.spyOn(column, 'prepare')
    const waiting = insert(Plain, { id: 1, secret: 'a' })
    expect(waiting).toBeInstanceOf(Promise)
    await waiting
    expect(prepare).toHaveBeenCalledTimes(1)
    expect(column.encryptNow('b', column.recipe)).toBeInstanceOf(Buffer)
    expect(ahead().isEmpty).toBe(false)
    expect(insert(Plain, { id: 2, secret: 'b' })).toBeUndefined()
  })

  it.each([
    ['nothing', {}],
    ['NULL', { secret: null }],
    ['a marker', undefined],
  ])('nothing is done for %s', (_, given) => {
    const marker = () => ({ secret: new SealedValue(columnOf(Plain), 'x', undefined).placeholder })
    expect(insert(Plain, { id: 1, ...(given ?? marker()) })).toBeUndefined()
    expect(ahead().isEmpty).toBe(true)
  })

  it('a value that cannot be stored is refused', () => {
    expect(() => insert(Plain, { id: 1, secret: 5 })).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE', entity: 'Plain', property: 'secret' }) as Error,
    )
  })

  it('a value that the statement leaves out is not encrypted', async () => {
    await insert(Plain, { id: 1, later: 'a' })
    expect(ahead().isEmpty).toBe(true)
  })

  it('values of rows under one data key are left to their statements', async () => {
    const column = columnOf(Bound)
    await insert(Bound, { id: 1, secret: Buffer.from('a') })
    column.recipes.of((name) => (name === 'id' ? 1 : undefined))
    ahead().clear()
    expect(insert(Bound, { id: 2, secret: Buffer.from('b') })).toBeUndefined()
    expect(ahead().isEmpty).toBe(true)
    const prepare = jest.spyOn(column, 'prepare').mockRejectedValueOnce(new RangeError('KMS'))
    await expect(insert(Bound, { id: 3, secret: Buffer.from('c') })).rejects.toThrow('KMS')
    expect(prepare).toHaveBeenCalledWith(column.recipes.keyed)
  })

  it('a value that is stored as it is needs no data key', () => {
    const prepare = jest.spyOn(columnOf(RolledOut), 'prepare')
    expect(insert(RolledOut, { id: 1, secret: 'a' })).toBeUndefined()
    expect([prepare.mock.calls.length, ahead().isEmpty]).toEqual([0, true])
  })

  it('an object is kept as it was announced where nobody can change it any more, and only there', async () => {
    const column = columnOf(Document)
    const entity = { id: 1, data: { n: 1 } }
    await insert(Document, entity)
    expect(column.forStatement(entity.data)).toBe(entity.data)
    settle(queryRunner, entity, () => true)
    void insert(Document, entity)
    const kept = column.forStatement(entity.data)
    expect(kept).toBeInstanceOf(PendingCiphertext)
    expect((kept as PendingCiphertext).is('{"n":1}')).toBe(true)
  })

  it('direct values of rows are encrypted ahead all the same', async () => {
    for (const id of [1, 2]) {
      await insert(DirectBound, { id, secret: 'a' })
      expect(ahead().isEmpty).toBe(false)
      ahead().clear()
    }
  })

  it('nothing is done for a row that is not known yet', () => {
    expect(insert(DirectBound, { secret: 'a' })).toBeUndefined()
    expect(ahead().isEmpty).toBe(true)
  })

  it('what the application itself throws is passed on', () => {
    const entity = {
      id: 1,
      secret: 'a',
      get tenantId(): number {
        throw new RangeError('of the application')
      },
    }
    expect(() => insert(Tenant, entity)).toThrow(new RangeError('of the application'))
  })

  it('data keys of more tenants than half of the memory holds are not fetched', () => {
    const prepare = jest.spyOn(columnOf(Tenant), 'prepare')
    for (const tenantId of [1, 2, 3, 1]) void insert(Tenant, { id: tenantId, tenantId, secret: 'a' })
    expect(prepare).toHaveBeenCalledTimes(2)
  })

  it('a failure of KMS is for who waits, and nobody else', async () => {
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    try {
      kms.misbehave({ fail: () => 'KMSInternalException' })
      const waiting = insert(Plain, { id: 1, secret: 'a' })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(unhandled).not.toHaveBeenCalled()
      await expect(waiting).rejects.toMatchObject({ kind: 'service' })
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })
})

describe('Before an update', () => {
  it('of save, what has changed is checked and encrypted ahead, and nothing else', async () => {
    const [secret, later] = [columnOf(Plain), columnOf(Plain, 1)]
    expect(update(Plain, { id: 1, secret: 5, later: undefined }, later)).toBeUndefined()
    await update(Plain, { id: 1, secret: 'a', later: 5 }, secret)
    expect(ahead().isEmpty).toBe(false)
  })

  it('of a builder, all is checked, and nothing encrypted ahead', async () => {
    expect(() => update(Plain, { secret: 5 })).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE' }) as Error,
    )
    await update(Plain, { secret: 'a' })
    expect(ahead().isEmpty).toBe(true)
  })

  it('of a builder, an object is checked as it is, whatever save has compared', () => {
    const data: { n: unknown } = { n: 1 }
    columnOf(Document).to(data)
    data.n = 1n
    expect(() => update(Document, { id: 1, data })).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE', property: 'data' }) as Error,
    )
  })

  it('that only moves the row, text is kept as text, and whether rows are found by it', async () => {
    const column = columnOf(DirectBound)
    column.indexes = [{} as BlindIndex]
    const entity = { id: 1, secret: 'a' }
    noteMove(entity, column, true)
    await update(DirectBound, entity, column)
    const moved = ahead().moved.take(column.cell, (name) => (name === 'id' ? 1 : undefined))
    expect(moved).toMatchObject({ plaintext: 'a', name: 'secret', isSearched: true })
  })

  it('of a builder leaves alone what save has announced', async () => {
    const column = columnOf(Bound)
    const entity = { id: 1, secret: Buffer.from('a') }
    noteMove(entity, column, true)
    await update(Bound, entity, column)
    await update(Bound, { id: 1, secret: Buffer.from('b') })
    expect(ahead().moved.isEmpty).toBe(false)
  })

  it('that only moves the row, it is kept what the value is, until a save changes it', async () => {
    const column = columnOf(Bound)
    const bytes = Buffer.from('old')
    const entity = { id: 1, secret: bytes }
    const row = (name: string): unknown => (name === 'id' ? 1 : undefined)
    noteMove(entity, column, true)
    await update(Bound, entity, column)
    bytes.write('new')
    const moved = ahead().moved.take(column.cell, row)
    expect(moved).toMatchObject({ name: 'secret', boundTo: ['id'], isSearched: false })
    expect(String(moved?.plaintext)).toBe('old')
    await column.prepare(column.recipes.of(row))
    const stored = await column.encrypt(Buffer.from('of others'), column.recipes.of(row))
    expect(String(await moved?.open(stored, row))).toBe('of others')

    await update(Bound, entity, column)
    noteMove(entity, column, false)
    await update(Bound, entity, column)
    expect(ahead().moved.isEmpty).toBe(true)
  })
})
