import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { Inline, Stored } from './0.1.0/entities'

/** The folder of a version: its entities, a dump for each database, the keys of the embedded KMS, the index key. */
export const folderOf = (version: string): string => join(__dirname, version)

/** An application over a dump, or over an empty database: one DataSource for inline data keys, one for stored ones. */
export async function open(
  options: DataSourceOptions,
  kmsFile: string,
  indexKey = readFileSync(join(folderOf('0.1.0'), 'index-key.txt'), 'utf8').trim(),
): Promise<{ inline: DataSource; stored: DataSource; close(): Promise<void> }> {
  const client = new LocalKms({ file: kmsFile, quiet: true }).client()
  const keyId = 'alias/upgrades'
  const settings = { keyId, client, indexKey, timeout: 120_000 }
  const both = [
    { encryption: kmsEncryption(settings), entities: [Inline] },
    { encryption: kmsEncryption({ ...settings, dataKeys: 'stored' }), entities: [Stored] },
  ].map(({ encryption, entities }) => ({
    encryption,
    dataSource: new DataSource(encryption.configure({ ...options, entities })),
  }))
  for (const { dataSource } of both) await dataSource.initialize()
  const [inline, stored] = both.map(({ dataSource }) => dataSource)
  return {
    inline: inline!,
    stored: stored!,
    async close() {
      for (const { dataSource, encryption } of both) {
        await dataSource.destroy()
        encryption.close()
      }
    },
  }
}
