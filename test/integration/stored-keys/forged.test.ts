import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import { KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { boundColumns } from '../../../src/orm/bound-columns'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Other {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Inline {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

/** Whoever can write the key table and the values, and make data keys of their own with a KMS key of theirs. */
describeDatabases('A forged key table', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Note, Other, Inline], { dataKeys: 'stored' })
    await app.dataSource.getRepository(Note).save({ text: 'of a note' })
    await app.dataSource.getRepository(Other).save({ text: 'of another' })
    const inline = await app.restart({ dataKeys: 'inline' })
    await inline.dataSource.getRepository(Inline).save({ text: 'inline' })
  })
  afterEach(() => app.stop())

  const q = (name: string): string => db().quote(name)
  const update = (set: string, values: unknown[], table = 'note'): Promise<unknown> =>
    db().rawQuery(`UPDATE kms_data_key SET ${set} WHERE context = ?`, [...values, `{"table":"${table}"}`])
  const row = async (
    table: string,
  ): Promise<{ id: Buffer; encrypted_data_key: Buffer; context_hash: Buffer }> =>
    (
      await db().rawQuery('SELECT * FROM kms_data_key WHERE context = ?', [`{"table":"${table}"}`])
    )[0] as never
  /** A blob that KMS made for someone, under a context of their choice. */
  const blob = async (
    context: Record<string, string>,
    keyId = 'alias/test',
  ): Promise<{ root: Buffer; encrypted: Buffer; keyId: string }> => {
    const answer = await app.client.send(
      new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: context }),
    )
    return {
      root: Buffer.from(answer.Plaintext!),
      encrypted: Buffer.from(answer.CiphertextBlob!),
      keyId: answer.KeyId!,
    }
  }

  /** What a fresh process reads, and what becomes of what it writes. */
  const read = async (): Promise<unknown> => {
    const { dataSource } = await app.restart()
    return failure(dataSource.getRepository(Note).find())
  }
  const written = async (): Promise<unknown> => {
    const { dataSource } = await app.restart()
    return failure(dataSource.getRepository(Note).save({ text: 'new' }))
  }

  const forgeries: Record<string, { forge: () => Promise<unknown>; reads: string }> = {
    'with the data keys of two contexts exchanged': {
      forge: async () => update('encrypted_data_key = ?', [(await row('other')).encrypted_data_key]),
      reads: 'CIPHERTEXT_WRONG_CONTEXT',
    },
    'with a data key of the same context and another root': {
      forge: async () =>
        update('encrypted_data_key = ?', [(await blob({ table: 'note', 'data-key': 'value' })).encrypted]),
      reads: 'CIPHERTEXT_TAMPERED',
    },
    'with the data key of an inline value': {
      forge: async () => {
        const [value] = await db().rawQuery(`SELECT ${q('text')} AS v FROM ${q('inline')}`)
        return update('encrypted_data_key = ?', [(value!['v'] as Buffer).subarray(9, 9 + 184)])
      },
      reads: 'CIPHERTEXT_WRONG_CONTEXT',
    },
    'with a data key for blind indexes': {
      forge: async () =>
        update('encrypted_data_key = ?', [(await blob({ table: 'note', 'data-key': 'index' })).encrypted]),
      reads: 'CIPHERTEXT_WRONG_CONTEXT',
    },
    'with a data key that is cut off': {
      forge: async () =>
        update('encrypted_data_key = ?', [(await row('note')).encrypted_data_key.subarray(0, 100)]),
      reads: 'CIPHERTEXT_WRONG_CONTEXT',
    },
    'with a data key of no bytes': {
      forge: () => update('encrypted_data_key = ?', [Buffer.alloc(0)]),
      reads: 'CIPHERTEXT_TAMPERED',
    },
    'with a text for a data key': {
      forge: () => update("encrypted_data_key = 'no bytes'", []),
      reads: 'CIPHERTEXT_TAMPERED',
    },
    'with a data key that is longer than KMS takes': {
      forge: () => update('encrypted_data_key = ?', [Buffer.alloc(10_000, 1)]),
      reads: 'CIPHERTEXT_TAMPERED',
    },
  }

  test.each(Object.entries(forgeries))('%s opens nothing and seals nothing', async (_, { forge, reads }) => {
    await forge()
    expect(await read()).toMatchObject({ code: reads, entity: 'Note', property: 'text' })
    expect(await written()).toMatchObject({ code: 'DATA_KEY_FORGED', entity: 'Note' })
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Other).find()).toMatchObject([{ text: 'of another' }])
  })

  test('with a changed id names the data key that is missing, and opens the value of no other', async () => {
    await update('id = ?', [Buffer.alloc(16, 7)])
    expect(await read()).toMatchObject({ code: 'DATA_KEY_NOT_FOUND', entity: 'Note' })
    expect(await written()).toMatchObject({ code: 'DATA_KEY_FORGED' })
  })

  test('with rows that swapped their ids opens nothing to a wrong value', async () => {
    const [one, other] = [(await row('note')).id, (await row('other')).id]
    await update('id = ?', [Buffer.alloc(16, 7)])
    await update('id = ?', [one], 'other')
    await update('id = ?', [other])
    expect(await read()).toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
  })

  test('with a row of the context of another column seals nothing', async () => {
    await update('context_hash = ?, created_at = created_at + 1', [(await row('note')).context_hash], 'other')
    expect(await written()).toMatchObject({ code: 'DATA_KEY_FORGED' })
  })

  /** What a forger puts in who has a KMS key that the application may use, and knows the data key. */
  const plant = async (purpose: 'value' | 'index', createdAt: number): Promise<Buffer> => {
    const { root, encrypted, keyId } = await blob(
      { table: 'note', 'data-key': purpose },
      await app.createKey(),
    )
    const id = storedKeyId(root)
    const { context_hash } = await row('note')
    await db().rawQuery(
      `INSERT INTO kms_data_key (id, purpose, context_hash, context, kms_key, encrypted_data_key, created_at) VALUES (?, ?, ?, '{"table":"note"}', ?, ?, ?)`,
      [id, purpose, context_hash, keyId, encrypted, createdAt],
    )
    return id
  }

  test("with a data key under the forger's own KMS key seals nothing under it, also after rotations", async () => {
    const planted = await plant('value', Date.now() + 1_000)
    const saveNew = async (keyId: string): Promise<void> => {
      const { dataSource } = await app.restart({ keyId })
      await dataSource.getRepository(Note).save({ text: 'new' })
      const values = await db().rawQuery(`SELECT ${q('text')} AS v FROM note`)
      for (const { v } of values) expect((v as Buffer).subarray(3, 19)).not.toEqual(planted)
    }
    await saveNew(KEY)
    const [second, third] = [await app.createKey(), await app.createKey()]
    // Once before the application is told of the next key, and once after.
    await rotateColumns(app.dataSource, Note, ['text'], { to: second })
    await saveNew(second)
    const { dataSource } = await app.restart({ keyId: third })
    await rotateColumns(dataSource, Note, ['text'])
    await saveNew(third)
    const rows = await db().rawQuery('SELECT * FROM kms_data_key WHERE id = ?', [planted])
    expect(rows).toMatchObject([{ kms_key: third }])
    expect(rows[0]!['retired_at']).not.toBeNull()
    expect(await dataSource.getRepository(Note).find()).toHaveLength(4)
  })

  test("with a second data key for blind indexes, under the forger's own KMS key, is not rotated", async () => {
    const [column] = boundColumns(app.dataSource.getMetadata(Note))
    const place = { table: 'note', column: 'text', index: 'text_index' }
    await column!.cipher.indexKey(column!.recipe.keyId, column!.recipe.scope, place)
    const planted = await plant('index', 1)
    const rotation = rotateColumns(app.dataSource, Note, ['text'], { to: await app.createKey() })
    expect(await failure(rotation)).toMatchObject({ code: 'DATA_KEY_FORGED' })
    await expect(rotation).rejects.toThrow(planted.toString('hex'))
  })

  // Another root of the same context only those find out who open it.
  const seenByKms = Object.entries(forgeries).filter(([name]) => !name.includes('another root'))

  test.each(seenByKms)('%s is named by a rotation', async (_, { forge }) => {
    const { id } = await row('note')
    await forge()
    const rotation = rotateColumns(app.dataSource, Note, ['text'], { to: await app.createKey() })
    expect(await failure(rotation)).toMatchObject({ code: 'DATA_KEY_FORGED' })
    await expect(rotation).rejects.toThrow(id.toString('hex'))
  })

  test('rolled back to an older state makes new data keys, and names the values that it lost', async () => {
    await db().rawQuery('DELETE FROM kms_data_key')
    const { dataSource } = await app.restart()
    const notes = dataSource.getRepository(Note)
    await notes.save({ text: 'new' })
    expect(await failure(notes.find())).toMatchObject({ code: 'DATA_KEY_NOT_FOUND' })
    expect(await notes.findOneByOrFail({ id: 2 })).toMatchObject({ text: 'new' })
    // In a process that has just begun, as the tool is: the key table may be on its way, the other rows are done all the same.
    const lost = { primaryKey: { id: expect.anything() as unknown }, code: 'DATA_KEY_NOT_FOUND' }
    expect(await verifyColumns(dataSource, Note, ['text'])).toMatchObject([{ failed: 1, unreadable: [lost] }])
  })

  test('that says that a data key was destroyed is believed', async () => {
    // The second is no time that there is.
    for (const time of [Date.now(), '9000000000000000000']) {
      await update('destroyed_at = ?, encrypted_data_key = NULL', [time])
      expect(await read()).toMatchObject({ code: 'FORGOTTEN', entity: 'Note' })
    }
  })

  test('costs a page of forged ids one query and no call to KMS, and the other values are read', async () => {
    const { dataSource, encryption } = await app.restart({ onUndecryptable: 'marker' })
    const [value] = await db().rawQuery(`SELECT ${q('text')} AS v FROM note`)
    const forged = Array.from({ length: 60 }, (_, index) => {
      const bytes = Buffer.from(value!['v'] as Buffer)
      bytes.writeUInt32BE(index, 3)
      return bytes
    })
    await db().rawQuery(
      `INSERT INTO note (${q('text')}) VALUES ${forged.map(() => '(?)').join(', ')}`,
      forged,
    )
    const before = encryption.metrics().kmsCalls.Decrypt
    const [first, ...others] = await dataSource.getRepository(Note).find({ order: { id: 'ASC' } })
    expect(encryption.metrics().kmsCalls.Decrypt - before).toBe(1)
    expect(first).toMatchObject({ text: 'of a note' })
    expect(others).toHaveLength(forged.length)
    for (const { text } of others)
      expect(undecryptable(text)?.failure).toMatchObject({ code: 'DATA_KEY_NOT_FOUND', entity: 'Note' })
    const fails = (await app.restart()).dataSource.getRepository(Note).find()
    expect(await failure(fails)).toMatchObject({ code: 'DATA_KEY_NOT_FOUND' })
  })
})
