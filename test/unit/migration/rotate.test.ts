import { CreateAliasCommand, EncryptCommand } from '@aws-sdk/client-kms'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { asPlaintext } from '../../../src/cipher/bytes'
import { type Recipe } from '../../../src/cipher/cipher'
import { parse } from '../../../src/cipher/ciphertext'
import { keyTag } from '../../../src/cipher/format'
import { sqlite } from '../../../src/dialects/sqlite'
import { type ColumnRow, type ColumnRows } from '../../../src/dialects/rows/column-rows'
import { type KeyService } from '../../../src/kms/key-service'
import { Rotate, type RotateSettings } from '../../../src/migration/rotate'
import { type ColumnLayout } from '../../../src/migration/rows/column-layout'
import { encryptedColumn } from '../../../src/migration/target'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'
import { rowOf } from './support'

const previous = [{ context: { since: '2' } }, { context: { since: '1' } }]

@Entity()
class Item {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) text!: string
  @KmsEncrypted({ type: 'string', context: { since: '3' }, previous }) renamed!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) direct!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', context: { since: '3' }, previous }) directRenamed!: string
  @KmsEncrypted({ type: 'string', previous: [{ mode: 'direct' }] }) wasDirect!: string
  @Column('int') tenant!: number
  @KmsEncrypted({ type: 'string', keyPer: ['tenant'], keyId: ({ tenant }) => `alias/tenant-${tenant}` })
  own!: string
  @KmsEncrypted({
    type: 'string',
    acceptFormats: [(stored) => (stored.toString().startsWith('theirs:') ? 'a' : undefined)],
  })
  foreign!: string
}
type Property = keyof Item

let db: TestDatabase
let app: TestApplication
/** The KMS key behind the alias of the application, and another one. */
let arn: string
let to: string

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Item])
  arn = (await kms().encrypt(KEY, Buffer.alloc(1), {})).keyReference
  to = await app.createKey()
  for (const name of ['next', 'tenant-1', 'tenant-2']) await alias(name, name === 'next' ? to : undefined)
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
afterEach(() => jest.restoreAllMocks())

const alias = async (name: string, keyArn?: string): Promise<unknown> =>
  app.client.send(
    new CreateAliasCommand({
      AliasName: `alias/${name}`,
      TargetKeyId: (keyArn ?? (await app.createKey())).split('/')[1],
    }),
  )
const columnOf = (property: Property, dataSource = app.dataSource): BoundColumn =>
  encryptedColumn(dataSource, Item, property)
const kms = (): KeyService & Required<Pick<KeyService, 'reEncrypt'>> =>
  columnOf('text').cipher.kms as ReturnType<typeof kms>

/** A value as an application stores it, under other settings than the column's where that is said. */
async function sealed(column: BoundColumn, value: string, more: Partial<Recipe> = {}): Promise<Buffer> {
  const recipe = { ...column.recipes.of(() => 1), ...more }
  return Buffer.from(await column.cipher.encrypt(asPlaintext(Buffer.from(value)), recipe))
}
/** One under a data key that this process has not got in memory. */
const sealedElsewhere = async (property: Property, value: string): Promise<Buffer> =>
  sealed(columnOf(property, (await app.restart()).dataSource), value)

/** The text of a value, and under which of the settings it is. */
async function opened(column: BoundColumn, stored: Buffer): Promise<[text: string, scope: number]> {
  const { scopes } = column.recipes.of(() => 1)
  const { plaintext, scope } = await column.opener.openWithScope(stored, scopes)
  return [plaintext.toString(), scopes.indexOf(scope)]
}
const isUnder = (stored: Buffer, keyArn: string): boolean => stored.subarray(3, 7).equals(keyTag(keyArn))
const suiteOf = (stored: Buffer): string => {
  const parsed = parse(stored)
  return parsed.kind === 'ciphertext' ? parsed.suite : parsed.kind
}
const bare = async (EncryptionContext: Record<string, string> = {}): Promise<Buffer> => {
  const { CiphertextBlob } = await app.client.send(
    new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from('bare'), EncryptionContext }),
  )
  return Buffer.from(CiphertextBlob!)
}

const at = (stored: Buffer, tenant = 1): ColumnRow => rowOf(1, stored, { valueOf: () => tenant })
/** What the row has then; `undefined` if it stays. */
async function converted(rotate: Rotate, stored: Buffer, tenant = 1): Promise<Buffer | undefined> {
  const value = (await rotate.convert(at(stored, tenant)))?.value
  return value === undefined ? undefined : Buffer.from(value as Buffer)
}
const rotation = (property: Property, settings: RotateSettings = {}): Rotate =>
  new Rotate(columnOf(property), settings)

/** The calls to KMS from now on. */
function calls() {
  const service = kms()
  const spies = {
    reEncrypt: jest.spyOn(service, 'reEncrypt'),
    encrypt: jest.spyOn(service, 'encrypt'),
    decrypt: jest.spyOn(service, 'decrypt'),
    generate: jest.spyOn(service, 'generateDataKey'),
  }
  return {
    ...spies,
    /** How often each was called. */
    get counts() {
      return Object.fromEntries(
        Object.entries(spies).flatMap(([name, { mock }]) =>
          mock.calls.length > 0 ? [[name, mock.calls.length]] : [],
        ),
      )
    },
  }
}

const layoutOf = (property: Property, more: object = {}): ColumnLayout =>
  ({
    dialect: { ...sqlite, takesCiphertext: () => true },
    column: columnOf(property),
    kind: 'binary',
    storage: 'binary',
    table: 'item',
    name: 'text',
    capacity: undefined,
    place: { entity: 'Item', property },
    ...more,
  }) as unknown as ColumnLayout
const noRows = { page: () => Promise.resolve([]) } as unknown as ColumnRows

describe('rotation to another KMS key', () => {
  it('has KMS re-encrypt the data key, and opens nothing', async () => {
    const column = columnOf('text')
    const [one, other] = [await sealed(column, 'one'), await sealed(column, 'other')]
    const before = calls()
    const rotate = rotation('text', { to })
    await rotate.begin(layoutOf('text'), noRows)
    const moved = await converted(rotate, one)
    expect(isUnder(moved!, to)).toBe(true)
    expect(isUnder((await converted(rotate, other))!, to)).toBe(true)
    // Both have the same data key.
    expect(before.counts).toEqual({ reEncrypt: 1 })
    expect(await opened(column, moved!)).toEqual(['one', 0])
  })

  it('asks nothing for what is under a key that is named by its ARN', async () => {
    const stored = await sealed(columnOf('text'), 'a', { keyId: to })
    const direct = await sealed(columnOf('direct'), 'a', { keyId: to })
    const before = calls()
    expect(await converted(rotation('text', { to }), stored)).toBeUndefined()
    expect(await converted(rotation('direct', { to }), direct)).toBeUndefined()
    expect(before.counts).toEqual({})
  })

  it.each<Property>(['text', 'direct'])('finds out once which key an alias is: %s', async (property) => {
    const [one, other] = [await sealedElsewhere(property, 'a'), await sealedElsewhere(property, 'b')]
    const before = calls()
    const rotate = rotation(property)
    for (const stored of [one, other]) expect(await converted(rotate, stored)).toBeUndefined()
    expect(before.counts).toEqual({ reEncrypt: 1 })
  })

  it.each<Property>(['text', 'direct', 'directRenamed'])(
    'leaves what turns out to be under the key, also where the service does not say so: %s',
    async (property) => {
      const reEncrypt = kms().reEncrypt.bind(kms())
      jest.spyOn(kms(), 'reEncrypt').mockImplementation(async (...asked) => {
        const { ciphertext, keyReference } = await reEncrypt(...asked)
        return { ciphertext, keyReference }
      })
      const stored = await sealed(columnOf(property), 'a')
      expect(await converted(rotation(property), stored)).toBeUndefined()
    },
  )

  it('takes the key that a function names for each row', async () => {
    const column = columnOf('own')
    const [mine, theirs] = [await sealed(column, 'a'), await sealed(column, 'b', { keyId: 'alias/tenant-2' })]
    const rotate = rotation('own')
    expect(await converted(rotate, mine)).toBeUndefined()
    const moved = await converted(rotate, theirs)
    expect(moved!.subarray(3, 7)).toEqual(mine.subarray(3, 7))
    expect(await opened(column, moved!)).toEqual(['b', 0])
    // An earlier key of the row is not one that is done with.
    expect(await converted(rotation('own', { to }), mine)).toBeDefined()
  })

  it.each<[Property, string]>([
    ['text', 'envelope'],
    ['direct', 'direct'],
    ['own', 'envelope'],
  ])(
    'passes values through this process where the service cannot re-encrypt: %s',
    async (property, suite) => {
      const column = columnOf(property)
      const [stored, other] = [
        await sealed(column, 'a', { keyId: arn }),
        await sealed(column, 'b', { keyId: to }),
      ]
      Object.defineProperty(kms(), 'reEncrypt', { value: undefined, configurable: true })
      try {
        const rotate = rotation(property, { to: 'alias/next' })
        const opens = jest.spyOn(column.opener, 'openWithScope')
        const moved = await converted(rotate, stored)
        expect([suiteOf(moved!), isUnder(moved!, to)]).toEqual([suite, true])
        expect(await opened(column, moved!)).toEqual(['a', 0])
        // The plaintext is gone.
        expect(((await opens.mock.results[0]!.value) as { plaintext: Buffer }).plaintext).toEqual(
          Buffer.alloc(1),
        )
        expect(await converted(rotate, other)).toBeUndefined()
        expect(await converted(rotate, await sealed(column, '', { keyId: to }))).toBeUndefined()
      } finally {
        Reflect.deleteProperty(kms(), 'reEncrypt')
      }
    },
  )
})

describe('rotation to new data keys', () => {
  it('goes on where it was ended, if a KMS key is named', async () => {
    const column = columnOf('text')
    const rotate = rotation('text', { to: 'alias/next', newDataKeys: true })
    const done = await sealed(column, 'a', { keyId: to })
    const before = calls()
    await rotate.begin(layoutOf('text'), noRows)
    expect(await converted(rotate, done)).toBeUndefined()
    const moved = await converted(rotate, await sealed(column, 'b'))
    expect(isUnder(moved!, to)).toBe(true)
    expect(before.reEncrypt).not.toHaveBeenCalled()
  })

  it('begins with a value that is encrypted for nothing, and says whose key does not', async () => {
    const rotate = rotation('text', { to: 'alias/none', newDataKeys: true })
    expect(await failure(rotate.begin(layoutOf('text'), noRows))).toMatchObject({
      code: 'KMS_KEY_NOT_FOUND',
      entity: 'Item',
      property: 'text',
    })
    // Without a row there is nothing to tell the key of tenants from.
    await expect(
      rotation('own', { newDataKeys: true }).begin(layoutOf('own'), noRows),
    ).resolves.toBeUndefined()
    const before = calls()
    await rotation('text', { to: 'alias/none' }).begin(layoutOf('text'), noRows)
    expect(before.counts).toEqual({})
  })

  it.each<Property>(['text', 'direct', 'directRenamed'])(
    'makes them for all values where no KMS key is named: %s',
    async (property) => {
      const column = columnOf(property)
      const stored = await sealed(column, 'a')
      const rotate = rotation(property, { newDataKeys: true })
      await rotate.begin(layoutOf(property), noRows)
      const made = await converted(rotate, stored)
      expect(made!.equals(stored)).toBe(false)
      expect(await opened(column, made!)).toEqual(['a', 0])
      expect(await converted(rotate, made!)).toBeDefined()
    },
  )

  it('are made for direct values and blobs of other programs under earlier settings', async () => {
    const column = columnOf('directRenamed')
    const { scopes } = column.recipe
    for (const settings of [{ newDataKeys: true }, { newDataKeys: true, to: arn }]) {
      const old = await sealed(column, 'a', { scope: scopes[1]! })
      const made = await converted(rotation('directRenamed', settings), old)
      expect(await opened(column, made!)).toEqual(['a', 0])
      const taken = await converted(rotation('directRenamed', settings), await bare(scopes[2]!.directContext))
      expect([suiteOf(taken!), await opened(column, taken!)]).toEqual(['direct', ['bare', 0]])
    }
    const kept = await sealed(column, 'a')
    expect(await converted(rotation('directRenamed', { newDataKeys: true, to: arn }), kept)).toBeUndefined()
  })
})

describe('rotation to the settings of the column', () => {
  it('seals values anew that are under earlier settings, and moves those that are not', async () => {
    const column = columnOf('renamed')
    const { scopes } = column.recipe
    for (const [at, settings] of [
      [0, { to }],
      [1, {}],
      [2, { to }],
      [2, { newDataKeys: true, to: arn }],
    ] as const) {
      const stored = await sealed(column, 'a', { scope: scopes[at]! })
      const before = calls()
      const moved = await converted(rotation('renamed', settings), stored)
      expect(await opened(column, moved!)).toEqual(['a', 0])
      expect(isUnder(moved!, settings.to ?? arn)).toBe(true)
      expect(before.reEncrypt.mock.calls.length).toBe(at === 0 ? 1 : 0)
      jest.restoreAllMocks()
    }
    expect(await converted(rotation('renamed'), await sealed(column, 'a'))).toBeUndefined()
  })

  it.each<RotateSettings>([{}, { newDataKeys: true }])('changes the mode: %j', async (settings) => {
    const direct = columnOf('direct')
    const made = await converted(
      rotation('direct', settings),
      await sealed(direct, 'a', { mode: 'envelope' }),
    )
    expect([suiteOf(made!), await opened(direct, made!)]).toEqual(['direct', ['a', 0]])
    const envelope = columnOf('wasDirect')
    const { scopes } = envelope.recipe
    for (const old of [
      await sealed(envelope, 'a', { mode: 'direct', scope: scopes.at(-1)! }),
      await bare(scopes.at(-1)!.directContext),
    ]) {
      const taken = await converted(rotation('wasDirect', settings), old)
      const text = suiteOf(old) === 'direct' ? 'a' : 'bare'
      expect([suiteOf(taken!), await opened(envelope, taken!)]).toEqual(['envelope', [text, 0]])
    }
  })

  it.each(['', 'a'])('moves direct values from one context to another: %j', async (text) => {
    const column = columnOf('directRenamed')
    const { scopes } = column.recipe
    for (const [at, keyId] of [
      [1, undefined],
      [2, to],
      [2, arn],
    ] as const) {
      const old = await sealed(column, text, { scope: scopes[at]!, ...(keyId === to && { keyId }) })
      const before = calls()
      const moved = await converted(rotation('directRenamed', { to: keyId }), old)
      expect(before.counts).toEqual({ reEncrypt: at + 1 })
      jest.restoreAllMocks()
      expect(await opened(column, moved!)).toEqual([text, 0])
    }
  })

  it('takes blobs of other programs under the context of the column, and none', async () => {
    const column = columnOf('directRenamed')
    const { scopes } = column.recipe
    for (const [asked, context] of [
      [1, scopes[0].directContext],
      [2, scopes[1]!.directContext],
      [4, {}],
    ] as const) {
      const old = await bare(context)
      const before = calls()
      const taken = await converted(rotation('directRenamed', { to }), old)
      expect(before.counts).toEqual({ reEncrypt: asked })
      jest.restoreAllMocks()
      expect([suiteOf(taken!), isUnder(taken!, to), await opened(column, taken!)]).toEqual([
        'direct',
        true,
        ['bare', 0],
      ])
    }
  })

  it('says what the current setting says of a direct value that none opens', async () => {
    const column = columnOf('directRenamed')
    const old = await sealed(columnOf('direct'), 'a')
    const before = calls()
    const error = await failure(rotation('directRenamed', { to }).convert(at(old)))
    expect(error).toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
    expect(before.counts).toEqual({ reEncrypt: column.recipe.scopes.length })
    const first = before.reEncrypt.mock.results[0]!.value as Promise<unknown>
    expect(error).toBe(await failure(first))
  })

  it('asks under no other setting where KMS fails', async () => {
    const old = await sealed(columnOf('directRenamed'), 'a', {
      scope: columnOf('directRenamed').recipe.scopes[1]!,
    })
    app.kms.misbehave({ deny: 'ReEncrypt' })
    const before = calls()
    const error = await failure(rotation('directRenamed', { to }).convert(at(old)))
    app.kms.misbehave({})
    expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    expect(before.counts).toEqual({ reEncrypt: 1 })
  })

  it('names what another program encrypted', async () => {
    const error = await failure(rotation('foreign').convert(at(Buffer.from('theirs: a'))))
    expect(error).toMatchObject({ code: 'PLAINTEXT_FOUND' })
    expect(error.message).toContain('the row holds what another program encrypted. Encrypt the column first')
  })
})

describe('rotation of values with stored data keys', () => {
  let stored: TestApplication['dataSource']
  beforeAll(async () => {
    stored = (await app.restart({ dataKeys: 'stored' }, { synchronize: true })).dataSource
  })

  it('changes where the data key is', async () => {
    const [inline, named] = [columnOf('text'), columnOf('text', stored)]
    const one = await sealed(inline, 'a')
    const other = await converted(new Rotate(named, {}), one)
    expect([suiteOf(other!), await opened(named, other!)]).toEqual(['stored-key', ['a', 0]])
    expect(await converted(new Rotate(named, { to }), other!)).toBeUndefined()
    const back = await converted(new Rotate(inline, {}), other!)
    expect([suiteOf(back!), await opened(inline, back!)]).toEqual(['envelope', ['a', 0]])
  })

  it('seals values anew that are under earlier settings', async () => {
    const column = columnOf('renamed', stored)
    const old = await sealed(column, 'a', { scope: column.recipe.scopes[1]! })
    expect(await opened(column, old)).toEqual(['a', 1])
    expect(await opened(column, (await converted(new Rotate(column, {}), old))!)).toEqual(['a', 0])
    expect(await converted(new Rotate(column, {}), await sealed(column, 'a'))).toBeUndefined()
  })

  it('leaves those of new data keys that go on', async () => {
    const column = columnOf('text', stored)
    const value = await sealed(column, 'a')
    const goingOn = new Set([value.toString('hex', 3, 19)])
    const settings = { newDataKeys: true }
    expect(await converted(new Rotate(column, settings, goingOn), value)).toBeUndefined()
    const made = await converted(new Rotate(column, settings), value)
    expect(made!.equals(value)).toBe(false)
    expect(await opened(column, made!)).toEqual(['a', 0])
  })

  const madeBefore = new Date()
  it.each<[isStored: boolean, RotateSettings, reason: RegExp | undefined]>([
    [false, {}, undefined],
    [false, { to: 'alias/next' }, undefined],
    [false, { newDataKeys: true }, /^because a new data key cannot be told from an old one$/],
    [false, { newDataKeys: true, madeBefore }, /^because a new data key cannot be told from an old one$/],
    [false, { newDataKeys: true, to: 'alias/next' }, undefined],
    [true, {}, undefined],
    [true, { newDataKeys: true }, /from an old one, unless --made-before \(madeBefore\) says when/],
    [true, { newDataKeys: true, to: 'alias/next' }, /, unless --made-before/],
    [true, { newDataKeys: true, madeBefore }, undefined],
  ])('begins anew or goes on, stored: %p, %j', (isStored, settings, reason) => {
    const { startsOver } = new Rotate(columnOf('text', isStored ? stored : undefined), settings)
    expect(startsOver).toEqual(reason && expect.stringMatching(reason))
  })
})

describe('a rotation', () => {
  it('needs a name of the KMS key', () => {
    expect(() => rotation('text', { to: '' })).toThrow(/^to is empty\. Name the KMS key/)
  })

  it('asks for the longest value, encrypted ones too, only where base64 may not fit', async () => {
    const longest = jest.fn(() => Promise.resolve(100))
    const rows = { longest } as unknown as ColumnRows
    const begin = (more: object): Promise<void> => rotation('text').begin(layoutOf('text', more), rows)
    await begin({ capacity: undefined, storage: 'text' })
    await begin({ capacity: 10, storage: 'binary' })
    expect(longest).not.toHaveBeenCalled()
    await begin({ capacity: 136, storage: 'text' })
    expect(longest.mock.calls).toEqual([[false]])
  })

  it('counts what stays under another key', async () => {
    const [old, foreign] = [
      await sealed(columnOf('text'), 'a'),
      await sealed(columnOf('text'), 'a', { keyId: to }),
    ]
    const rotate = rotation('text', { to })
    const moved = await converted(rotate, old)
    const rows = {
      layout: layoutOf('text'),
      countBy: () =>
        Promise.resolve([
          { value: old.subarray(0, 7), rows: 3 },
          { value: moved!.subarray(0, 7), rows: 5 },
        ]),
    } as unknown as ColumnRows
    expect(await rotate.left(rows, undefined)).toEqual({ counted: 3, met: 0 })
    for (const each of [old, foreign]) rotate.leave(at(each))
    expect(await rotate.left(rows, undefined)).toEqual({ counted: 3, met: 1 })
    rotate.again()
    expect(await rotate.left(rows, undefined)).toEqual({ counted: 3, met: 0 })
  })
})
