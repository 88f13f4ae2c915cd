import { type DataSource } from 'typeorm'
import { type StoredDataKey } from '../../../cipher/data-keys/store'
import { KmsEncryptionError } from '../../../errors'
import { KeyTableRows } from '../../../migration/data-keys/key-table-rows'
import { type BoundColumn } from '../../../orm/bound-column'
import { count, type Finding, finding } from './finding'

/** Is the table of the stored data keys there, where columns need it, and is anything left to do in it? */
export async function keyTableFindings(
  dataSource: DataSource,
  columns: readonly BoundColumn[],
  file: string,
): Promise<Finding[]> {
  const { table } = new KeyTableRows(dataSource)
  const isNeeded = columns.some(({ recipes }) => recipes.usesStoredKey)
  try {
    if (!isNeeded && !(await table.exists())) return []
    return rowFindings(await new KeyTableRows(dataSource).all(), table.name, file)
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return [finding('database', 'problem', error.message)]
  }
}

function rowFindings(rows: readonly StoredDataKey[], table: string, file: string): Finding[] {
  const living = rows.filter(({ destroyedAt }) => !destroyedAt)
  const waiting = living.filter(({ destroyAt }) => destroyAt !== undefined)
  const due = waiting.filter(({ destroyAt }) => (destroyAt?.getTime() ?? 0) <= Date.now()).length
  const forgotten = rows.length - living.length
  const findings = [
    finding(
      'database',
      'ok',
      `${table}: ${count(living.length, 'data key')}${forgotten > 0 ? `, ${forgotten} destroyed` : ''}`,
    ),
  ]
  if (due > 0) {
    const remedy = `typeorm-kms forget -d ${file} --due`
    return [
      ...findings,
      finding(
        'database',
        'warning',
        `${table}: ${count(due, 'data key')} to be destroyed, and the time is over.`,
        remedy,
      ),
    ]
  }
  if (waiting.length === 0) return findings
  const until = `${table}: ${count(waiting.length, 'data key')} to be destroyed later; until then that can be undone.`
  return [...findings, finding('database', 'note', until)]
}
