import { type EntityManager, type EntitySubscriberInterface } from 'typeorm'
import { KmsEncryptionError } from 'typeorm-kms-encrypted'
import { describeDatabases, tellsEachId } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { Item, Vault } from '../canary/entities'
import { type Action, change, label, newVault, type Scenario, scenarios, structuredCopy } from './actions'

/** With inline data keys every value needs a call to KMS, to be written as well as to be read. */
const modes = [
  ['inline', { cache: { maxValues: 1, maxKeys: 1 } }],
  ['stored', { cache: { maxAge: 500 }, dataKeys: { maxAge: 500, lease: 200 } }],
] as const

describe.each(modes)('With data keys %s', (mode, options) => {
  describeDatabases('A write that fails', (db) => {
    let application: TestApplication
    let manager: EntityManager
    let failStatement: ((sql: string) => boolean) | undefined

    /** Fails a statement before it is sent. */
    const saboteur: EntitySubscriberInterface = {
      beforeQuery({ query }) {
        // Those of the library about its key table belong to COMMIT, before which TypeORM has set ids.
        if (!query.includes('kms_data_key') && failStatement?.(query)) throw new Error('The statement failed')
      },
    }

    beforeAll(async () => {
      application = await startApplication(db(), [Vault, Item], options)
      application.dataSource.subscribers.push(saboteur)
      ;({ manager } = application.dataSource)
    })

    afterAll(() => application.stop())

    afterEach(() => {
      application.kms.misbehave({})
      failStatement = undefined
    })

    beforeEach(async () => {
      for (const table of ['item', 'vault']) await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
    })

    /** All rows with their ciphertexts, as JSON. */
    const rows = async (): Promise<string> => {
      const tables = await Promise.all(
        ['vault', 'item'].map((table) => db().rawQuery(`SELECT * FROM ${db().quote(table)} ORDER BY id`)),
      )
      return JSON.stringify(tables)
    }

    /** Fails the step 0, 1, 2 … of a write, until it has fewer steps than that and succeeds. Returns the errors. */
    async function failEachStep(
      scenario: Scenario,
      fail: (step: number, action: Action) => void,
    ): Promise<Error[]> {
      const action = await scenario(manager)
      const { objects, act, vaults = [] } = action
      const errors: Error[] = []
      for (let step = 0; ; step++) {
        const [objectsBefore, rowsBefore] = [structuredCopy(objects), await rows()]
        fail(step, action)
        const error = await act(manager).then(
          () => undefined,
          (reason: unknown) => reason as Error,
        )
        heal()
        if (!error) break
        errors.push(error)
        expect(objects).toEqual(objectsBefore)
        expect(await rows()).toEqual(rowsBefore)
      }
      await expectReadable(vaults)
      return errors
    }

    function heal(): void {
      application.kms.misbehave({})
      failStatement = undefined
    }

    async function expectReadable(vaults: readonly Vault[]): Promise<void> {
      for (const { id, text, bytes, json, direct, profile } of tellsEachId(db())
        ? vaults
        : vaults.slice(-1)) {
        const found = await manager.findOneByOrFail(Vault, { id })
        expect(found).toMatchObject({ text, bytes, json, direct, profile })
      }
    }

    describe.each(Object.entries(scenarios))('%s', (_, scenario) => {
      test('leaves entities and rows as they were, whichever call to KMS fails', async () => {
        const { kms } = application
        const errors = await failEachStep(scenario, (step) => {
          let calls = 0
          kms.misbehave({ fail: () => (calls++ === step ? 'KMSInternalException' : undefined) })
        })
        for (const error of errors) {
          expect(error).toBeInstanceOf(KmsEncryptionError)
          expect(error).toMatchObject({
            code: 'KMS_UNAVAILABLE',
            entity: expect.stringMatching(/^(Vault|Item)$/),
          })
        }
        // Stored data keys are at hand: only the values of direct mode need calls.
        if (scenario !== scenarios['remove'] && mode === 'inline') expect(errors.length).toBeGreaterThan(1)
        else expect(errors.length).toBeGreaterThan(-1)
      })

      test('leaves entities and rows as they were, whichever statement fails', async () => {
        const errors = await failEachStep(scenario, (step, { autocommit }) => {
          const statement = autocommit ? /^(INSERT|UPDATE)/ : /^(SELECT|INSERT|UPDATE|DELETE)/
          let statements = 0
          // Those of the library about its key table are part of BEGIN and COMMIT here, after which TypeORM has set ids.
          failStatement = (sql) =>
            statement.test(sql) && !sql.includes('kms_data_key') && statements++ === step
        })
        expect(errors.length).toBeGreaterThan(0)
        for (const error of errors)
          expect([error.message, (error.cause as Error | undefined)?.message]).toContain(
            'The statement failed',
          )
      })
    })

    test.each([
      ['KMS_ACCESS_DENIED', { deny: ['GenerateDataKey', 'Encrypt', 'Decrypt'] }],
      ['KMS_THROTTLED', { throttle: 1 }],
      ['KMS_UNAVAILABLE', { outage: true }],
      ['KMS_KEY_DISABLED', { fail: () => 'DisabledException' }],
      ['KMS_KEY_NOT_FOUND', { fail: () => 'NotFoundException' }],
      ['KMS_KEY_UNUSABLE', { fail: () => 'KMSInvalidStateException' }],
    ])('carries the code %s, and succeeds when KMS is well again', async (code, faults) => {
      const vault = await manager.save(newVault(manager))
      const changes = [newVault(manager), change(vault)]
      const before = structuredCopy(changes)
      application.kms.misbehave(faults)
      expect((await failure(manager.save(changes))).code).toBe(code)
      expect(changes).toEqual(before)
      application.kms.misbehave({})
      await manager.save(changes)
      await expectReadable(changes)
    })

    describe('by a unique constraint', () => {
      const violations: Record<string, (taken: string) => Action> = {
        save: (taken) => {
          const vaults = [newVault(manager), Object.assign(newVault(manager), { label: taken })]
          return { objects: vaults, act: () => manager.save(vaults) }
        },
        insert: (taken) => {
          const values = Object.assign(newVault(manager), { label: taken })
          return { objects: [values], act: () => manager.insert(Vault, values) }
        },
      }

      test.each(Object.entries(violations))('in %s can be repaired and repeated', async (_, violation) => {
        const { label: taken } = await manager.save(newVault(manager))
        const { objects, act } = violation(taken)
        const [objectsBefore, rowsBefore] = [structuredCopy(objects), await rows()]
        expect((await failure(act(manager))).name).toBe('QueryFailedError')
        expect(objects).toEqual(objectsBefore)
        expect(await rows()).toEqual(rowsBefore)
        for (const object of objects as Vault[]) if (object.label === taken) object.label = label()
        await act(manager)
        await expectReadable(objects as Vault[])
      })

      test('in update of a changed entity can be repaired and repeated', async () => {
        const { label: taken } = await manager.save(newVault(manager))
        const vault = change(await manager.save(newVault(manager)))
        vault.label = taken
        const [before, rowsBefore] = [structuredCopy(vault), await rows()]
        expect((await failure(manager.save(vault))).name).toBe('QueryFailedError')
        expect(vault).toEqual(before)
        expect(await rows()).toEqual(rowsBefore)
        vault.label = label()
        await manager.save(vault)
        await expectReadable([vault])
      })
    })

    test('after it was written, because TypeORM cannot read what was generated, leaves a row that can be read', async () => {
      const vault = newVault(manager)
      const { label: written, text, bytes, direct } = vault
      failStatement = (sql) => sql.startsWith('SELECT')
      // Databases that return what they generate are not asked again, and nothing fails.
      const error = await manager.insert(Vault, vault).catch((reason: unknown) => reason)
      heal()
      if (error instanceof Error) expect(error.message).toBe('The statement failed')
      expect(vault).toMatchObject({ text, bytes, direct })
      expect(await manager.findOneByOrFail(Vault, { label: written })).toMatchObject({ text, bytes, direct })
    })

    test('because the application rolls back leaves rows as they were, and entities with their plaintexts', async () => {
      const vault = change(await manager.save(newVault(manager)))
      const [fresh, rowsBefore] = [newVault(manager), await rows()]
      const { text, bytes, json, direct, profile } = structuredCopy(vault)
      const rollback = manager.transaction(async (inside) => {
        await inside.save([vault, fresh])
        throw new Error('The application changed its mind')
      })
      await expect(rollback).rejects.toThrow('The application changed its mind')
      expect(vault).toMatchObject({ text, bytes, json, direct, profile })
      expect(typeof fresh.text).toBe('string')
      expect(await rows()).toEqual(rowsBefore)
      await manager.update(Vault, { id: vault.id }, { text, bytes })
      expect(await manager.findOneByOrFail(Vault, { id: vault.id })).toMatchObject({ text, bytes })
    })
  })
})
