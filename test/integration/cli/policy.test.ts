import { CreateAliasCommand } from '@aws-sdk/client-kms'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { kmsFindings } from '../../../src/cli/commands/doctor/kms'
import { isInUse, keyUsage } from '../../../src/cli/commands/keys/key-usage'
import { statementsOf } from '../../../src/cli/commands/keys/policy/statements'
import { usesOf } from '../../../src/cli/commands/keys/policy/uses'
import { KeyAdministration } from '../../../src/kms/aws/key-administration'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) pin!: string
  @KmsEncrypted({ boundTo: { row: ['id'] }, mode: 'direct' }) code!: string
  @KmsEncrypted({ keyPer: { tenant: 'tenantId' }, context: { app: 'bank' } }) iban!: string
  @KmsEncrypted({ search: true }) email!: string
}

/** What a policy and the doctor make of the settings of columns; the database has no say in it. */
describeDatabases(
  'Columns that are bound to their row, keyed by it, or searched',
  (db) => {
    let app: TestApplication
    afterEach(() => app.stop())

    const usesIn = ({ dataSource }: Pick<TestApplication, 'dataSource'>) =>
      usesOf(encryptedColumns(dataSource))

    it('have a policy, with what their rows have in common', async () => {
      app = await startApplication(db(), [Account], withIndexKey)
      const { uses, remarks } = usesIn(app)
      expect(uses.map(({ context, indexKey }) => ({ context, indexKey }))).toEqual([
        { context: { table: 'account' } },
        { context: { table: 'account', column: 'code' } },
        { context: { app: 'bank' } },
        { context: { table: 'account' } },
        { context: { 'data-key': 'index' }, indexKey: 'given' },
      ])
      expect(remarks).toEqual([
        expect.stringContaining('Account.iban has data keys for each tenant') as string,
        expect.stringContaining('Only KMS knows which key indexKey is under') as string,
      ])
      const statements = statementsOf('application', uses)
      expect(statements).toContainEqual(
        expect.objectContaining({
          Action: ['kms:Decrypt'],
          Condition: expect.objectContaining({
            StringEquals: { 'kms:EncryptionContext:data-key': ['index'] },
          }) as object,
        }),
      )
    })

    it('have one with stored data keys, by which writers open index keys', async () => {
      app = await startApplication(db(), [Account], { dataKeys: 'stored' })
      const { uses } = usesIn(app)
      expect(uses.filter(({ indexKey }) => indexKey)).toMatchObject([
        { context: { table: 'account', 'data-key': 'index' }, indexKey: 'stored', key: KEY },
      ])
      const writer = statementsOf('writer', uses).flatMap(({ Action }) => Action)
      expect(writer).toContain('kms:Decrypt')
    })

    it('have one where a function names their keys, to be filled in for those that depend on the row', async () => {
      const keyId = ({ tenant }: Record<string, string>) => (tenant ? `alias/tenant-${tenant}` : KEY)
      app = await startApplication(db(), [Account], async (test) => ({
        keyId,
        ...(await withIndexKey(test)),
      }))
      const { uses, remarks } = usesIn(app)
      expect(uses.map(({ key }) => key)).toEqual([KEY, KEY, 'KEYS_OF_Account.iban', KEY, KEY])
      expect(remarks).toContain(
        'Put the ARNs of the keys that keyId names for Account.iban in the place of KEYS_OF_Account.iban.',
      )
    })

    it('are known to the deletion guard where a function names one key for all rows', async () => {
      const keyId = ({ tenant }: Record<string, string>) => (tenant ? `alias/tenant-${tenant}` : KEY)
      app = await startApplication(db(), [Account], async (test) => ({
        keyId,
        ...(await withIndexKey(test)),
      }))
      const keys = new KeyAdministration(app.client)
      const inUse = async (id: string): Promise<string[]> =>
        (await keyUsage(app.dataSource, await keys.describe(id), keys))
          .filter(isInUse)
          .map(({ column }) => column)
      // The function is asked for the tenants that are there.
      const [other, ofTenant] = [await app.createKey(), await app.createKey()]
      await app.client.send(new CreateAliasCommand({ AliasName: 'alias/tenant-7', TargetKeyId: ofTenant }))
      expect(await inUse(ofTenant)).toEqual([])
      await app.dataSource
        .getRepository(Account)
        .insert({ id: 1, tenantId: 7, pin: '1', code: '2', iban: '3', email: '4' })
      expect(await inUse(other)).toEqual([])
      expect(await inUse(ofTenant)).toEqual(['Account.iban'])
    })

    it('are tried out by the doctor as far as they do not depend on the row, and it says what it left out', async () => {
      app = await startApplication(db(), [Account], withIndexKey)
      const columns = encryptedColumns(app.dataSource)
      const found = await kmsFindings(columns, app.client, ({ cipher }) => cipher.kms)
      const messages = found.map(({ message }) => message)
      expect(messages).toContain(`GenerateDataKey and Decrypt are allowed on ${KEY} under { table: account }`)
      expect(messages).toContain(
        `Encrypt and Decrypt are allowed on ${KEY} under { table: account, column: code }`,
      )
      expect(found).toContainEqual(
        expect.objectContaining({
          level: 'note',
          message:
            'Account.iban: the permissions were not tried out, because the encryption context has tenant of the row.',
        }),
      )
    })
  },
  { databases: ['sqlite'] },
)
