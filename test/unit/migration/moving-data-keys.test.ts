import { CreateAliasCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  contextHash,
  contextText,
  type DataKeyPurpose,
  type StoredDataKey,
} from '../../../src/cipher/data-keys/store'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { AccessDeniedError } from '../../../src/errors'
import { type KeyService, type ReEncrypted } from '../../../src/kms/key-service'
import { KeyTableRows } from '../../../src/migration/data-keys/key-table-rows'
import { type MoveOptions, moveDataKeys, type MovedDataKeys } from '../../../src/migration/data-keys/move'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type TestDatabase } from '../../support/databases'
import { createSqliteDatabase } from '../../support/databases/sqlite'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) text!: string
}

@Entity()
class Other {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', keyId: 'alias/other' }) text!: string
}

/** Each column of it has a KMS key of its own. */
@Entity()
class Person {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', search: true }) email!: string
  @KmsEncrypted({ type: 'string', keyId: 'alias/other' }) iban!: string
}

const CONTEXT = { table: 'note' }
const OTHER = { table: 'other' }

let db: TestDatabase
let app: TestApplication
/** The KMS key of the application. */
let own: string
/** One that it may use as well. */
let foreign: string
let next: string

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Note, Other, Person], async (test) => ({
    keyId: (own = await test.createKey()),
    dataKeys: 'stored',
  }))
  ;[foreign, next] = [await app.createKey(), await app.createKey()]
  await app.client.send(
    new CreateAliasCommand({ AliasName: 'alias/other', TargetKeyId: foreign.split('/')[1] }),
  )
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
beforeEach(() => db.rawQuery('DELETE FROM kms_data_key'))

interface Planted {
  purpose?: DataKeyPurpose
  context?: Record<string, string>
  /** What the table says of the KMS key. */
  said?: string
}

/** A row of the key table, as whoever can write it and make data keys may have put it there. */
async function plant(keyId: string, { purpose = 'value', context = CONTEXT, said }: Planted = {}) {
  const { Plaintext, CiphertextBlob, KeyId } = await app.client.send(
    new GenerateDataKeyCommand({
      KeyId: keyId,
      KeySpec: 'AES_256',
      EncryptionContext: { ...context, 'data-key': purpose },
    }),
  )
  const id = storedKeyId(Buffer.from(Plaintext!))
  await db.rawQuery(
    'INSERT INTO kms_data_key (id, purpose, context_hash, context, kms_key, encrypted_data_key, created_at) VALUES (?, ?, ?, ?, ?, ?, 1)',
    [id, purpose, contextHash(context), contextText(context), said ?? KeyId!, Buffer.from(CiphertextBlob!)],
  )
  return id
}

const rowOf = async (id: Buffer): Promise<StoredDataKey> => {
  const [row] = await new KeyTableRows(app.dataSource).find([id])
  return row!
}

type ReEncrypt = NonNullable<KeyService['reEncrypt']>

/** The columns of the application, with another service. */
const columnsWith = (kms: Partial<KeyService>): BoundColumn[] =>
  encryptedColumns(app.dataSource).map(
    (column) => Object.create(column, { cipher: { value: { kms } } }) as BoundColumn,
  )

const real = (): KeyService & { reEncrypt: ReEncrypt } => {
  const [column] = encryptedColumns(app.dataSource)
  return column!.cipher.kms as KeyService & { reEncrypt: ReEncrypt }
}

/** What KMS is asked for, with its key references, and what it answers. */
const watched = (
  answer: (...asked: Parameters<ReEncrypt>) => Promise<ReEncrypted> = (...asked) =>
    real().reEncrypt(...asked),
) => jest.fn(answer)

const move = (reEncrypt: ReEncrypt, options: MoveOptions = {}): Promise<MovedDataKeys> =>
  moveDataKeys(app.dataSource, columnsWith({ reEncrypt }), options)

describe('moving stored data keys', () => {
  it('asks once for each, under its own context and purpose, with the KMS key of the application', async () => {
    const id = await plant(own)
    const index = await plant(own, { purpose: 'index' })
    const kms = watched()
    expect(await move(kms, { to: next })).toEqual({ found: 2, moved: 2 })
    const asked = kms.mock.calls.map(([, from, keyId, to, options]) => ({ from, keyId, to, options }))
    expect(asked).toHaveLength(2)
    for (const purpose of ['value', 'index']) {
      const context = { ...CONTEXT, 'data-key': purpose }
      expect(asked).toContainEqual({
        from: context,
        keyId: next,
        to: context,
        options: { keyReference: own },
      })
    }
    for (const each of [id, index])
      expect(await rowOf(each)).toMatchObject({ keyReference: next, retiredAt: undefined })
  })

  it('has KMS tell what is under the KMS key already, and changes nothing', async () => {
    const id = await plant(next)
    const before = await rowOf(id)
    const kms = watched()
    expect(await move(kms, { to: next })).toEqual({ found: 1, moved: 0 })
    expect(kms.mock.calls.map(([, , keyId, , options]) => [keyId, options?.keyReference])).toEqual([
      [next, undefined],
    ])
    expect(await rowOf(id)).toEqual(before)
  })

  it('mends what the table says of the KMS key, and goes on to seal', async () => {
    const id = await plant(own, { said: foreign })
    expect(await move(watched())).toEqual({ found: 1, moved: 1 })
    expect(await rowOf(id)).toMatchObject({ keyReference: own, retiredAt: undefined })
    // The table says that nothing is to be done. KMS knows better.
    const lying = await plant(own, { said: next })
    expect(await move(watched(), { to: next })).toEqual({ found: 2, moved: 2 })
    expect(await rowOf(lying)).toMatchObject({ keyReference: next, retiredAt: undefined })
  })

  it.each(['to another KMS key', 'to its own'])(
    'moves what is under a KMS key of others %s, and retires it',
    async (name) => {
      const to = name === 'to its own' ? undefined : next
      const id = await plant(foreign)
      const one = await plant(own)
      const begun = Date.now()
      await move(watched(), { to, dryRun: true })
      expect(await rowOf(id)).toMatchObject({ keyReference: foreign, retiredAt: undefined })
      expect(await move(watched(), { to })).toMatchObject({ found: 2, moved: to ? 2 : 1 })
      const { keyReference, retiredAt } = await rowOf(id)
      expect(keyReference).toBe(to ?? own)
      expect(retiredAt?.getTime()).toBeGreaterThanOrEqual(begun)
      expect(await rowOf(one)).toMatchObject({ keyReference: to ?? own, retiredAt: undefined })
    },
  )

  it('does so beside columns of other contexts that have another KMS key', async () => {
    const [column] = columnsWith({ reEncrypt: watched() })
    const id = await plant(foreign)
    expect(await moveDataKeys(app.dataSource, [column!], { to: next })).toEqual({ found: 1, moved: 1 })
    expect(await rowOf(id)).toMatchObject({ keyReference: next, retiredAt: expect.any(Date) as unknown })
  })

  it('retires the same where the service does not say under which KMS key it was', async () => {
    const silent = watched(async (...asked) => {
      const { ciphertext, keyReference } = await real().reEncrypt(...asked)
      return { ciphertext, keyReference }
    })
    const [id, one] = [await plant(foreign), await plant(own)]
    expect(await move(silent, { to: next })).toEqual({ found: 2, moved: 2 })
    expect(await rowOf(id)).toMatchObject({ keyReference: next, retiredAt: expect.any(Date) as unknown })
    expect(await rowOf(one)).toMatchObject({ keyReference: next, retiredAt: undefined })
    await db.rawQuery('DELETE FROM kms_data_key WHERE retired_at IS NOT NULL')
    // What it opened with the KMS key that it moves to, was under that.
    const before = await rowOf(one)
    const columns = columnsWith({ reEncrypt: silent })
    for (const column of columns) jest.spyOn(column.recipes, 'keyIdFor').mockReturnValue(next)
    expect(await moveDataKeys(app.dataSource, columns, {})).toEqual({ found: 1, moved: 0 })
    jest.restoreAllMocks()
    expect(await rowOf(one)).toEqual(before)
  })

  it('moves the one data key of blind indexes that is under a KMS key of others, which serves on', async () => {
    const index = await plant(foreign, { purpose: 'index' })
    // Neither is a second one for the indexes of the context.
    await plant(own)
    await plant(foreign, { purpose: 'index', context: OTHER })
    expect(await move(watched(), { to: next })).toEqual({ found: 3, moved: 3 })
    expect(await rowOf(index)).toMatchObject({ keyReference: next, retiredAt: undefined })
  })

  it('refuses one of two data keys of blind indexes that is under a KMS key of others', async () => {
    await plant(own, { purpose: 'index' })
    await plant(own, { purpose: 'index' })
    expect(await move(watched(), { to: next, dryRun: true })).toEqual({ found: 2, moved: 2 })
    const planted = await plant(foreign, { purpose: 'index' })
    const error = await failure(move(watched(), { to: next }))
    expect(error).toMatchObject({ code: 'DATA_KEY_FORGED' })
    expect(error.message).toContain(planted.toString('hex'))
    expect(error.message).toContain('is not the only one for the blind indexes of its context')
    expect(await rowOf(planted)).toMatchObject({ keyReference: foreign })
  })

  it('says that a row does not hold its data key, and what KMS says', async () => {
    const id = await plant(own)
    const set = (bytes: Buffer): Promise<unknown> =>
      db.rawQuery('UPDATE kms_data_key SET encrypted_data_key = ?', [bytes])
    const { encrypted } = await rowOf(await plant(own, { context: OTHER }))
    await db.rawQuery("DELETE FROM kms_data_key WHERE context LIKE '%other%'")
    for (const bytes of [Buffer.from(encrypted!), Buffer.alloc(10), Buffer.alloc(0)]) {
      await set(bytes)
      const kms = watched()
      const error = await failure(move(kms, { to: next }))
      expect(error).toMatchObject({ code: 'DATA_KEY_FORGED' })
      expect(error.message).toMatch(
        new RegExp(`data key ${id.toString('hex')} in kms_data_key was changed: it does not hold that`),
      )
      // What cannot be a data key is not sent.
      const isSent = bytes.length > 10
      expect(kms.mock.calls.length > 0).toBe(isSent)
      expect(error.cause).toEqual(
        isSent ? expect.objectContaining({ code: 'CIPHERTEXT_WRONG_CONTEXT' }) : undefined,
      )
    }
  })

  it('goes no further where KMS fails, and asks no second time with any KMS key', async () => {
    await plant(own)
    const kms = watched(() => Promise.reject(new AccessDeniedError('no')))
    await expect(move(kms, { to: next })).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    expect(kms).toHaveBeenCalledTimes(1)
  })

  it('takes the KMS key of the columns whose data key it is', async () => {
    const [note, other] = [await plant(own), await plant(foreign, { context: OTHER })]
    const kms = watched()
    expect(await move(kms)).toEqual({ found: 2, moved: 0 })
    expect(kms.mock.calls.map(([, { table }, keyId]) => [table, keyId]).sort()).toEqual([
      ['note', own],
      ['other', 'alias/other'],
    ])
    for (const id of [note, other]) expect((await rowOf(id)).retiredAt).toBeUndefined()
  })

  describe('that others change meanwhile', () => {
    /** KMS, while another process puts other bytes for the same data key in the row, for some calls. */
    const contended = (id: Buffer, times: number) => {
      let left = times
      return watched(async (...asked) => {
        const moved = await real().reEncrypt(...asked)
        if (left-- > 0) {
          const [, context] = asked
          const again = await real().reEncrypt((await rowOf(id)).encrypted!, context, own, context)
          await db.rawQuery('UPDATE kms_data_key SET encrypted_data_key = ? WHERE id = ?', [
            Buffer.from(again.ciphertext),
            id,
          ])
        }
        return moved
      })
    }

    it('reads the row again, four times', async () => {
      const id = await plant(own)
      const kms = contended(id, 4)
      expect(await move(kms, { to: next })).toEqual({ found: 1, moved: 1 })
      expect(kms).toHaveBeenCalledTimes(5)
      expect(await rowOf(id)).toMatchObject({ keyReference: next, retiredAt: undefined })
    })

    it('gives up after five', async () => {
      const id = await plant(own)
      const kms = contended(id, 5)
      const error = await failure(move(kms, { to: next }))
      expect(error).toMatchObject({ code: 'KEY_TABLE_UNAVAILABLE' })
      expect(error.message).toContain(`${id.toString('hex')} in kms_data_key was changed by others`)
      expect(kms).toHaveBeenCalledTimes(5)
      expect(await rowOf(id)).toMatchObject({ keyReference: own })
    })

    it.each(['encrypted_data_key = NULL, destroyed_at = 2', undefined])(
      'leaves a row that is gone: %s',
      async (set) => {
        const id = await plant(own)
        const kms = watched(async (...asked) => {
          await db.rawQuery(set ? `UPDATE kms_data_key SET ${set}` : 'DELETE FROM kms_data_key')
          return real().reEncrypt(...asked)
        })
        expect(await move(kms, { to: next })).toEqual({ found: 1, moved: 0 })
        const [left] = await new KeyTableRows(app.dataSource).find([id])
        expect(left?.encrypted).toBeUndefined()
      },
    )
  })

  it('passes through this process where the service cannot re-encrypt, and is removed from its memory', async () => {
    const id = await plant(own)
    const opened: Buffer[] = []
    const kms = {
      decrypt: jest.fn(async (...asked: Parameters<KeyService['decrypt']>) => {
        const answer = await real().decrypt(...asked)
        opened.push(answer.plaintext)
        return answer
      }),
      encrypt: jest.fn((...asked: Parameters<KeyService['encrypt']>) => real().encrypt(...asked)),
    }
    expect(await moveDataKeys(app.dataSource, columnsWith(kms), { to: next })).toEqual({ found: 1, moved: 1 })
    const context = { ...CONTEXT, 'data-key': 'value' }
    expect(kms.decrypt.mock.calls).toEqual([[expect.anything(), context, { keyReference: own }]])
    expect(kms.encrypt.mock.calls).toEqual([[next, expect.anything(), context]])
    expect(opened).toEqual([Buffer.alloc(32)])
    const { keyReference, encrypted, retiredAt } = await rowOf(id)
    expect({ keyReference, retiredAt }).toEqual({ keyReference: next, retiredAt: undefined })
    expect(storedKeyId((await real().decrypt(encrypted!, context)).plaintext)).toEqual(id)
  })
})

describe('rotation of a column, where another one of the table has a KMS key of its own', () => {
  const kmsKeys = async (): Promise<unknown[]> => {
    const rows = await new KeyTableRows(app.dataSource).all()
    return rows.map(({ purpose, keyReference, retiredAt }) => [purpose, keyReference, retiredAt]).sort()
  }
  const add = async (id: number): Promise<void> => {
    const { dataSource } = await app.restart()
    await dataSource.getRepository(Person).insert({ id, email: `e${id}`, iban: `i${id}` })
    expect(await dataSource.getRepository(Person).findOneBy({ email: `e${id}` })).toMatchObject({ id })
  }
  beforeEach(async () => {
    await db.rawQuery('DELETE FROM person')
    await add(1)
  })

  it('leaves the data keys of the other one under that', async () => {
    const before = await kmsKeys()
    expect(before).toEqual([
      ['index', own, undefined],
      ...[own, foreign].sort().map((keyId) => ['value', keyId, undefined]),
    ])
    for (const property of ['iban', 'email'])
      expect(await rotateColumns(app.dataSource, Person, [property])).toMatchObject([
        { rows: 1, dataKeys: 0 },
      ])
    expect(await kmsKeys()).toEqual(before)
    expect(await rotateColumns(app.dataSource, Person, ['iban'], { to: next })).toMatchObject([
      { dataKeys: 1 },
    ])
    expect(await kmsKeys()).toEqual([
      ['index', own, undefined],
      ...[own, next].sort().map((keyId) => ['value', keyId, undefined]),
    ])
    await add(2)
    // Of those under neither KMS key each column takes its own.
    const { dataSource } = await app.restart({ keyId: foreign })
    expect(await rotateColumns(dataSource, Person, ['email'])).toMatchObject([{ dataKeys: 2 }])
    const left = (await new KeyTableRows(app.dataSource).all()).filter(
      ({ keyReference }) => keyReference !== foreign,
    )
    expect(left).toMatchObject([{ purpose: 'value', keyReference: next, retiredAt: undefined }])
    expect(await rotateColumns(dataSource, Person, ['iban'])).toMatchObject([{ dataKeys: 1 }])
    expect(await rowOf(left[0]!.id)).toMatchObject({
      keyReference: foreign,
      retiredAt: expect.any(Date) as unknown,
    })
    const found = await (await app.restart({ keyId: foreign })).dataSource.getRepository(Person).find()
    expect(found.map(({ email, iban }) => [email, iban])).toEqual([
      ['e1', 'i1'],
      ['e2', 'i2'],
    ])
  })
})
