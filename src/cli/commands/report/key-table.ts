import { type DataSource } from 'typeorm'
import { KmsEncryptionError } from '../../../errors'
import { KeyTableRows } from '../../../migration/data-keys/key-table-rows'
import { type ReportedKeyTable } from '../../../report/report'
import { range } from './columns'

/** The table of the stored data keys, if there is one that may be read. What is wrong with it, the doctor says. */
export async function reportedKeyTable(dataSource: DataSource): Promise<ReportedKeyTable | undefined> {
  const { table } = new KeyTableRows(dataSource)
  try {
    if (!(await table.exists())) return undefined
    const rows = await new KeyTableRows(dataSource).all()
    const living = rows.filter(({ destroyedAt }) => !destroyedAt)
    const doomed = living.filter(({ destroyAt }) => destroyAt)
    const opening = living.filter(({ destroyAt, retiredAt }) => !destroyAt && retiredAt)
    const { maxAge, lease } = table.settings
    return {
      name: table.name,
      sealing: living.length - doomed.length - opening.length,
      openingOnly: opening.length,
      toBeDestroyed: doomed.length,
      destroyed: rows.length - living.length,
      ...range(living.map(({ createdAt }) => createdAt)),
      maxAge,
      lease,
    }
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return undefined
  }
}
