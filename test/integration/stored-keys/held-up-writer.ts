/** Writes a row, and is held up at the moment before a statement goes to the database, until somebody wakes it. */
import { writeSync } from 'node:fs'
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { StatementListener } from '../../support/statements'
import { Letter } from './letter'

/** At which statement of the second row it is held up: before its INSERT, or before the COMMIT around that. */
export type HeldUpAt = 'INSERT' | 'COMMIT' | 'bare INSERT'

export interface HeldUpTask {
  options: DataSourceOptions
  endpoint: string
  lease: number
  heldUpAt: HeldUpAt
}

/** TypeORM tells its logger of a statement right before it sends it, with the values sealed. */
class Stop extends StatementListener {
  wanted: RegExp | undefined

  logQuery(sql: string): void {
    if (!this.wanted?.test(sql)) return
    this.wanted = undefined
    writeSync(1, 'held up\n')
    process.kill(process.pid, 'SIGSTOP')
  }
}

async function main(): Promise<void> {
  const { options, endpoint, lease, heldUpAt } = JSON.parse(process.env['CHILD_TASK'] ?? '') as HeldUpTask
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
  const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, dataKeys: { lease }, timeout: 120_000 })
  const logger = new Stop()
  const configured = encryption.configure({ ...options, entities: [Letter], logger, logging: true })
  const dataSource = await new DataSource(configured).initialize()
  await dataSource.getRepository(Letter).insert({ id: 1, text: 'before' })
  logger.wanted = heldUpAt === 'COMMIT' ? /^COMMIT/i : /^INSERT/i
  const write =
    heldUpAt === 'bare INSERT'
      ? dataSource.getRepository(Letter).insert({ id: 2, text: 'held up' })
      : dataSource.transaction((manager) => manager.save(Letter, { id: 2, text: 'held up' }))
  const outcome = await write.then(
    () => 'stored',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  )
  writeSync(1, `${outcome}\n`)
  await dataSource.destroy()
  encryption.close()
}

void main()
