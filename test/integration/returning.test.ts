import 'reflect-metadata'
import { Column, DeleteDateColumn, Entity, type InsertResult, PrimaryGeneratedColumn, Unique } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'
import { storedValues } from './scenarios/support'

class Inner {
  @KmsEncrypted() bytes!: Buffer
}

@Entity()
@Unique(['label'])
class Letter {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) label!: string
  @KmsEncrypted() text!: string
  @KmsEncrypted({ storage: 'text' }) base64!: string
  @KmsEncrypted({ type: 'json', storage: 'text' }) json!: { of: string }
  @KmsEncrypted({ mode: 'direct' }) direct!: string
  @KmsEncrypted({ onUndecryptable: 'marker' }) bytes!: Buffer
  @Column(() => Inner) inner!: Inner
  @DeleteDateColumn() deletedAt!: Date | null
}

const values = (label: string) => ({
  label,
  text: `text of ${label}`,
  base64: `base64 of ${label}`,
  json: { of: label },
  direct: `direct of ${label}`,
  bytes: Buffer.from(label),
  inner: Object.assign(new Inner(), { bytes: Buffer.from(`inner ${label}`) }),
})

describeDatabases(
  'rows that a statement returns',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Letter])
    })
    afterAll(() => app.stop())

    /** Whether TypeORM sends RETURNING. */
    const returns = (kind: 'insert' | 'update'): boolean =>
      db().name === 'postgres' || (db().name === 'mariadb' && kind === 'insert')

    const letters = () => app.dataSource.getRepository(Letter)

    /** Both with data keys in memory, and in a process that has just started and may have to ask KMS. */
    describe.each(['warm', 'cold'])('%s', (state) => {
      beforeEach(async () => {
        await letters().clear()
        if (state === 'cold') {
          const { dataSource, encryption } = await app.restart()
          await app.dataSource.destroy()
          Object.assign(app, { dataSource, encryption })
        }
      })

      async function check(
        result: Pick<InsertResult, 'generatedMaps'>,
        entity: Letter,
        label: string,
      ): Promise<void> {
        const { inner, ...rest } = values(label)
        expect(entity).toMatchObject(rest)
        expect(entity.inner.bytes).toEqual(inner.bytes)
        for (const map of result.generatedMaps) {
          for (const [name, value] of Object.entries(map)) {
            if (name in rest) expect(value).toEqual(rest[name as keyof typeof rest])
          }
        }
        const before = await storedValues(db(), 'letter', 'text', 'base64', 'json', 'direct', 'bytes')
        await letters().save(entity)
        expect(await storedValues(db(), 'letter', 'text', 'base64', 'json', 'direct', 'bytes')).toEqual(
          before,
        )
        await expect(letters().findOneByOrFail({ id: entity.id })).resolves.toMatchObject(rest)
      }

      it('are plaintext after an insert', async () => {
        const entity = letters().create(values('a'))
        const builder = letters().createQueryBuilder().insert().values(entity)
        const result = await (returns('insert') ? builder.returning('*') : builder).execute()
        if (returns('insert'))
          expect(result.generatedMaps[0]).toMatchObject({ text: 'text of a', direct: 'direct of a' })
        await check(result, entity, 'a')
      })

      it('are plaintext after an upsert', async () => {
        await letters().insert(values('a'))
        const entity = letters().create({ ...values('a'), text: 'new' })
        const builder = letters()
          .createQueryBuilder()
          .insert()
          .values(entity)
          .orUpdate(['text', 'base64'], ['label'])
        const result = await (returns('insert') ? builder.returning('*') : builder).execute()
        expect(entity.text).toBe('new')
        if (returns('insert'))
          expect(result.generatedMaps[0]).toMatchObject({ text: 'new', base64: 'base64 of a' })
        if (returns('insert')) await letters().update({ label: 'a' }, { text: values('a').text })
        if (returns('insert'))
          await check({ generatedMaps: [] }, Object.assign(entity, { text: 'text of a' }), 'a')
      })

      it('are plaintext after repository.upsert with returning', async () => {
        const entity = letters().create(values('a'))
        const more = returns('insert') ? { returning: ['text', 'json', 'bytes'] } : {}
        const result = await letters().upsert(entity, { conflictPaths: ['label'], ...more })
        // MySQL with an unused AUTO_INCREMENT aside, the id is on the entity.
        await check(result, entity, 'a')
      })

      it('are plaintext after an update of an entity', async () => {
        const entity = await letters().save(letters().create(values('a')))
        const builder = letters().createQueryBuilder().update().set({ text: 'text of b' }).whereEntity(entity)
        const result = await (returns('update') ? builder.returning('*') : builder).execute()
        if (returns('update'))
          expect(result.generatedMaps[0]).toMatchObject({ text: 'text of b', bytes: Buffer.from('a') })
        if (returns('update')) expect(entity).toMatchObject({ ...values('a'), text: 'text of b' })
      })

      it('are plaintext after soft deletion and restoring', async () => {
        const entity = await letters().save(letters().create(values('a')))
        for (const builder of [
          letters().createQueryBuilder().softDelete().whereEntity(entity),
          letters().createQueryBuilder().restore().whereEntity(entity),
        ]) {
          const result = await (returns('update') ? builder.returning('*') : builder).execute()
          if (returns('update')) expect(result.generatedMaps[0]).toMatchObject({ text: 'text of a' })
        }
        await check({ generatedMaps: [] }, entity, 'a')
      })
    })

    it('keep their ciphertexts in raw', async () => {
      if (!returns('insert')) {
        expect(db().name).toBe('sqlite')
        return
      }
      await letters().clear()
      const { raw } = await letters()
        .createQueryBuilder()
        .insert()
        .values(values('a'))
        .returning('*')
        .execute()
      const [row] = raw as { text: Uint8Array }[]
      expect(Buffer.from(row!.text).toString('hex', 0, 2)).toBe('c101')
    })

    it('hold no second encryption: a ciphertext under the own key is refused, whatever the type', async () => {
      await letters().clear()
      const { id } = await letters().save(values('a'))
      const [row] = await db().rawQuery(`SELECT * FROM ${db().quote('letter')}`)
      const bytes = row?.['bytes'] as Buffer
      const direct = row?.['direct'] as Buffer
      const before = await storedValues(db(), 'letter', 'text', 'base64', 'json', 'direct', 'bytes')
      for (const change of [
        { bytes },
        { bytes: direct },
        { base64: row?.['base64'] as string },
        { text: bytes.toString('base64') },
        { json: row?.['json'] as never },
        { direct: bytes.toString('base64') },
      ]) {
        const { dataSource } = await app.restart()
        for (const repository of [letters(), dataSource.getRepository(Letter)]) {
          expect(await failure(repository.update(id, change))).toMatchObject({ code: 'INVALID_VALUE' })
          expect(await failure(repository.save({ id, ...change }))).toMatchObject({ code: 'INVALID_VALUE' })
          expect(await failure(repository.insert({ ...values('b'), ...change }))).toMatchObject({
            code: 'INVALID_VALUE',
          })
        }
        await dataSource.destroy()
      }
      expect(await storedValues(db(), 'letter', 'text', 'base64', 'json', 'direct', 'bytes')).toEqual(before)
      // One of another key, or a part, is a value like others.
      const foreign = Buffer.from(bytes)
      foreign.writeUInt32BE(0x01020304, 3)
      await letters().update(id, { bytes: foreign, text: bytes.toString('base64').slice(0, 40) })
      expect((await letters().findOneByOrFail({ id })).bytes).toEqual(foreign)
    })

    it('leave a value alone that was mended since it was loaded with a marker', async () => {
      await letters().clear()
      const { id } = await letters().save(values('a'))
      const where = `UPDATE ${db().quote('letter')} SET ${db().quote('bytes')} = ? WHERE id = ${id}`
      const [row] = await db().rawQuery(`SELECT * FROM ${db().quote('letter')}`)
      const whole = row?.['bytes'] as Buffer
      const broken = Buffer.from(whole)
      broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
      await db().rawQuery(where, [broken])
      const loaded = await letters().findOneByOrFail({ id })
      await db().rawQuery(where, [whole])
      await letters().save(Object.assign(loaded, { label: 'changed' }))
      const [after] = await db().rawQuery(`SELECT * FROM ${db().quote('letter')}`)
      expect(after).toMatchObject({ label: 'changed', bytes: whole })
      expect((await letters().findOneByOrFail({ id })).bytes).toEqual(Buffer.from('a'))
    })
  },
  { mariadbType: 'mariadb' },
)
