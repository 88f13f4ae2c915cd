import { CreateAliasCommand, CreateKeyCommand, ReplicateKeyCommand } from '@aws-sdk/client-kms'
import { DataSource } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { kmsFindings } from '../../../src/cli/commands/doctor/kms'
import { knownKeys } from '../../../src/cli/known-keys'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { AwsKms } from '../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../src/kms/aws/trusted-keys'
import { inTime, pass, startClock, stopClock } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { Account, accounts, DirectAccount, Load } from './support'

/*
 * One Region out for ten minutes beside a maxAge of half, on a clock that the test moves. `TEST_OUTAGE_SECONDS=600` is the
 * real thing.
 */
const LONG = process.env['TEST_OUTAGE_SECONDS']
const OUTAGE = Number(LONG ?? 600) * 1_000
const MAX_AGE = OUTAGE / 2
const [OWN, REPLICA] = ['us-east-1', 'eu-west-1'] as const

jest.setTimeout(300_000 + 2 * OUTAGE)

describeDatabases(
  'A Region of KMS that hangs, with a replica of the key in another',
  (db) => {
    const kms = new LocalKms({ regions: [REPLICA], quiet: true })
    const clients = [kms.client(), kms.client({ region: REPLICA })] as const
    const encryption = kmsEncryption({
      keyId: 'alias/app',
      client: clients,
      cache: { maxAge: MAX_AGE },
    })
    let dataSource: DataSource

    beforeAll(async () => {
      if (LONG === undefined) stopClock()
      const [own, there] = clients
      const { KeyMetadata } = await own.send(new CreateKeyCommand({ MultiRegion: true }))
      await own.send(new ReplicateKeyCommand({ KeyId: KeyMetadata?.KeyId, ReplicaRegion: REPLICA }))
      const alias = { AliasName: 'alias/app', TargetKeyId: KeyMetadata?.KeyId }
      for (const client of [own, there]) await client.send(new CreateAliasCommand(alias))
      const options = { ...db().options, entities: [Account, DirectAccount], synchronize: true }
      dataSource = await new DataSource(encryption.configure(options)).initialize()
    })
    afterEach(() => {
      kms.misbehave({})
    })
    afterAll(async () => {
      await dataSource.destroy()
      encryption.close()
      startClock()
    })

    it('fails no read and no write, however long it lasts', async () => {
      await dataSource.getRepository(DirectAccount).insert(accounts(20))
      const load = new Load(dataSource, db().name === 'sqlite' ? 1 : 6)
      await load.until('ok')
      kms.misbehave({ outage: 'hang', regions: OWN })
      const [began, ends] = [load.attempts.length, performance.now() + OUTAGE]
      while (performance.now() < ends) {
        // One call per value, none of them from memory.
        expect(await inTime(dataSource.getRepository(DirectAccount).find(), 50)).toHaveLength(20)
        await pass(OUTAGE / 20, OUTAGE / 400)
      }
      kms.misbehave({})
      await inTime(load.turn(), 10)
      await inTime(load.stop(), 10)
      expect(Object.keys(load.outcomes('read', began))).toEqual(['ok'])
      expect(Object.keys(load.outcomes('write', began))).toEqual(['ok'])
      const inReplica = kms.calls.filter(({ region, outcome }) => region === REPLICA && outcome === 'ok')
      expect(new Set(inReplica.map(({ operation }) => operation))).toEqual(
        new Set(['CreateAlias', 'Decrypt', 'GenerateDataKey']),
      )
    })

    it('leaves values that are known to be under the key, and that rotate leaves alone', async () => {
      const repository = dataSource.getRepository(Account)
      await repository.clear()
      kms.misbehave({ outage: true, regions: OWN })
      await pass(MAX_AGE, MAX_AGE / 200)
      await repository.insert(accounts(3))
      kms.misbehave({})
      await pass(MAX_AGE, MAX_AGE / 200)
      await repository.insert(accounts(3))
      const column = encryptedColumns(dataSource).find(({ name }) => name === 'Account.privateKey')
      if (!column) throw new Error('it is encrypted')
      const keys = await knownKeys(column)
      const { ciphertext } = await columnStatus(dataSource, Account, 'privateKey', { keys })
      expect(ciphertext.map(({ keyArn, rows }) => [keyArn?.split(':')[3], rows])).toEqual(
        expect.arrayContaining([
          [OWN, 3],
          [REPLICA, 3],
        ]),
      )
      expect(await rotateColumns(dataSource, Account, ['privateKey'])).toMatchObject([{ changed: 0 }])
      expect((await repository.find()).map(({ privateKey }) => privateKey)).toHaveLength(6)
    })

    it('is foreseen by the doctor, who asks each Region', async () => {
      const columns = encryptedColumns(dataSource)
      const findings = await kmsFindings(columns, clients[1], (column) => column.cipher.kms, {
        isReplica: true,
      })
      expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
      expect(findings.map(({ message }) => message).join()).toContain(`region: ${REPLICA}`)
      kms.misbehave({ deny: 'Decrypt', regions: REPLICA })
      const denied = await kmsFindings(columns, clients[1], replicaAlone, { isReplica: true })
      expect(denied.filter(({ level }) => level === 'problem').length).toBeGreaterThan(0)
    })

    /** The service that the doctor makes for one Region alone. */
    function replicaAlone(): AwsKms {
      return new AwsKms({ client: clients[1], concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    }
  },
  { databases: ['mariadb'] },
)
