/** Writes rows in and out of transactions, and is killed right before its n-th statement goes to the database. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { StatementListener } from '../../support/statements'
import { Letter } from './letter'

export interface KilledTask {
  options: DataSourceOptions
  endpoint: string
  /** The first id that it writes. */
  from: number
  killedAt: number
}

class Killer extends StatementListener {
  #left: number

  constructor(statements: number) {
    super()
    this.#left = statements
  }

  logQuery(): void {
    if (--this.#left === 0) process.kill(process.pid, 'SIGKILL')
  }
}

async function main(): Promise<void> {
  const { options, endpoint, from, killedAt } = JSON.parse(process.env['CHILD_TASK'] ?? '') as KilledTask
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
  const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, dataKeys: 'stored' })
  const logger = new Killer(killedAt)
  const configured = encryption.configure({ ...options, entities: [Letter], logger, logging: true })
  const dataSource = await new DataSource(configured).initialize()
  const letter = (id: number): Letter => ({ id: from + id, text: `letter ${from + id}` })
  await dataSource.transaction(async (manager) => {
    await manager.insert(Letter, letter(0))
    await manager.transaction((inner) => inner.insert(Letter, letter(1)))
    await manager.update(Letter, { id: from }, { text: `letter ${from}` })
  })
  await dataSource.getRepository(Letter).insert(letter(2))
  await dataSource.destroy()
  encryption.close()
}

void main()
