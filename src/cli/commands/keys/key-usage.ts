import { type DataSource, type QueryRunner } from 'typeorm'
import { keyTag, VERSION } from '../../../cipher/format'
import { KeyNotFoundError, KmsEncryptionError } from '../../../errors'
import { ifAllowed, type KeyAdministration } from '../../../kms/aws/key-administration'
import { isSameKey } from '../../../kms/aws/key-arn'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { configuredKeys } from '../../../migration/configured-keys'
import { columnContents, rowsHidden } from '../../../migration/column-contents'
import { namedAs, type NamedDataKey, namedDataKeys } from '../../../migration/data-keys/named-data-keys'
import { KeyTableRows } from '../../../migration/data-keys/key-table-rows'
import { usedIndexRoot } from '../../../migration/indexes/index-root'
import { dataSourceOf } from '../../../migration/target'
import { dataKeyIdOf, modeOf, type ValueStart } from '../../../migration/value-starts'
import { type BoundColumn } from '../../../orm/bound-column'
import { boundColumns } from '../../../orm/bound-columns'
import { encryptedColumns } from '../../../migration/encrypted-columns'

/** What one encrypted column has to do with a KMS key, for a decision that destroys. */
export interface KeyUsage {
  /** `Entity.property`. */
  column: string
  /** Values under the key. */
  rows: number
  /** Of the key table, which is named like a column: data keys under the key. */
  dataKeys?: number
  /** Of the option `indexKey`, which is named like a column: it is under the key. */
  indexKey?: boolean
  /** Earlier versions of rows that the database keeps, with values under the key. */
  history: number
  /** Values of which nobody here can tell the key: blobs of other programs, and formats of later releases. */
  untold: number
  /** The application encrypts new values of the column under the key. */
  configured: boolean
  /** Why the column could not be looked at, or not all of it: then nobody knows. */
  unseen: string | undefined
}

export function isInUse(usage: KeyUsage): boolean {
  const { rows, dataKeys = 0, indexKey = false, history, untold, configured, unseen } = usage
  return rows + dataKeys + history + untold > 0 || indexKey || configured || unseen !== undefined
}

/** Asks the database about each encrypted column of a DataSource: one grouped query per column. */
export async function keyUsage(
  dataSource: DataSource,
  key: KeyInfo,
  keys: KeyAdministration,
): Promise<KeyUsage[]> {
  const judge = await judgeFor(key, keys)
  const isConfigured = configuration(key, keys)
  const columns = encryptedColumns(dataSource)
  const usages = [...(await keyTableUsage(dataSource, key)), ...(await indexKeyUsage(dataSource, key))]
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    for (const column of columns) {
      const values = await valuesOf(queryRunner, column, judge, key)
      if (values.unseen !== undefined) {
        usages.push({ column: column.name, ...values, configured: false })
        continue
      }
      const keyIds = await configuredKeys(queryRunner, column)
      const verdicts = await Promise.all((keyIds ?? []).map(isConfigured))
      const untold = keyIds?.find((_, at) => verdicts[at] === undefined)
      const unseen =
        keyIds === undefined
          ? 'A function of the application names its KMS keys, and does not say which for all rows.'
          : untold && `KMS does not say which key ${untold} is: allow kms:DescribeKey.`
      usages.push({ column: column.name, ...values, configured: verdicts.includes(true), unseen })
    }
  } finally {
    await queryRunner.release()
  }
  return usages
}

type Values = Pick<KeyUsage, 'rows' | 'history' | 'untold' | 'unseen'>

const NO_VALUES: Values = { rows: 0, history: 0, untold: 0, unseen: undefined }

async function valuesOf(
  queryRunner: QueryRunner,
  column: BoundColumn,
  judgeCarried: Judge,
  key: KeyInfo,
): Promise<Values> {
  try {
    const { current, history = [], hiddenBy, layout } = await columnContents(queryRunner, column)
    const named = await namedDataKeys(dataSourceOf(queryRunner), [...current, ...history])
    const judge: Judge = (start, of) => {
      const id = dataKeyIdOf(start)
      return id ? verdictOn(named.get(id.toString('hex')), key) : judgeCarried(start, of)
    }
    const judged = (starts: readonly ValueStart[], verdict: Verdict): number =>
      starts.filter((start) => judge(start, column) === verdict).reduce((sum, { rows }) => sum + rows, 0)
    return {
      rows: judged(current, 'under'),
      history: judged(history, 'under'),
      untold: judged(current, 'untold') + judged(history, 'untold'),
      unseen: hiddenBy && rowsHidden(layout.path, hiddenBy),
    }
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return { ...NO_VALUES, unseen: error.reason }
  }
}

/** Rows of the key table under the key, whether values name them or not: others may, and blind indexes need theirs. */
async function keyTableUsage(dataSource: DataSource, key: KeyInfo): Promise<KeyUsage[]> {
  const rows = new KeyTableRows(dataSource)
  const usage = { column: rows.table.name, ...NO_VALUES, dataKeys: 0, configured: false }
  try {
    if (!(await rows.table.exists())) return []
    const verdicts = (await rows.all()).map((row) => verdictOn(namedAs(row), key))
    const count = (wanted: Verdict): number => verdicts.filter((verdict) => verdict === wanted).length
    return [{ ...usage, dataKeys: count('under'), untold: count('untold') }]
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return [{ ...usage, unseen: error.reason }]
  }
}

/** The index key is bytes of KMS: only KMS says which key they are under. */
async function indexKeyUsage({ entityMetadatas }: DataSource, key: KeyInfo): Promise<KeyUsage[]> {
  const used = usedIndexRoot(entityMetadatas.flatMap(boundColumns))
  if (!used) return []
  const usage = { column: 'indexKey', ...NO_VALUES, configured: false }
  try {
    return [{ ...usage, indexKey: isSameKey(await used.root.kmsKey(), key.arn) }]
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return [{ ...usage, unseen: `KMS does not say which key indexKey is under: ${error.reason}` }]
  }
}

/** No KMS key opens a data key that was destroyed. Of one that is missing, nobody can tell. */
function verdictOn(dataKey: NamedDataKey | undefined, key: KeyInfo): Verdict {
  if (!dataKey || dataKey.state === 'missing') return 'untold'
  if (dataKey.state === 'forgotten') return 'not'
  const { keyReference } = dataKey.row
  if (isSameKey(keyReference, key.arn)) return 'under'
  return KEY_ARN.test(keyReference) ? 'not' : 'untold'
}

const KEY_ARN = /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/

type Verdict = 'under' | 'untold' | 'not'
type Judge = (start: ValueStart, column: BoundColumn) => Verdict

/**
 * Whatever begins like a ciphertext may be one, and its key tag alone tells the key: what KMS put behind it has no
 * outline that holds for every KMS.
 */
async function judgeFor(key: KeyInfo, keys: KeyAdministration): Promise<Judge> {
  const own = tagsOf(key.related)
  // Values may be under a replica that was deleted since, of which KMS does not tell any more: then this key opens them.
  const others = key.id.startsWith('mrk-') ? tagsOf(await otherKeys(key, keys)) : undefined
  return ({ kind, header }, column) => {
    if (kind !== 'ciphertext') return kind === 'bare' ? 'untold' : 'not'
    // Only bytes can begin with C1 and be none of ours; and then hardly with a version.
    if (header[1] !== VERSION && column.scheme.type.name === 'buffer') return 'not'
    if (modeOf(header) === undefined) return 'untold'
    const tag = header.toString('hex', 3)
    if (own.has(tag)) return 'under'
    return others === undefined || others.has(tag) ? 'not' : 'untold'
  }
}

function tagsOf(arns: readonly string[]): ReadonlySet<string> {
  return new Set(arns.map((arn) => keyTag(arn).toString('hex')))
}

/** Of this account and region; none where they may not be listed. */
async function otherKeys({ related }: KeyInfo, keys: KeyAdministration): Promise<string[]> {
  const known = (await ifAllowed(keys.arns())) ?? []
  return known.map(({ arn }) => arn).filter((arn) => !related.includes(arn))
}

/** Whether the application encrypts under the key; `undefined` where KMS does not tell what an alias stands for. */
function configuration(
  key: KeyInfo,
  keys: KeyAdministration,
): (keyId: string) => Promise<boolean | undefined> {
  const aliases = new Map<string, boolean | undefined>()
  return async (keyId) => {
    if (!keyId.includes('alias/')) return isSameKey(keyId, key.arn) || keyId === key.id
    if (!aliases.has(keyId)) aliases.set(keyId, await isAliasOf(keyId, key, keys))
    return aliases.get(keyId)
  }
}

async function isAliasOf(alias: string, key: KeyInfo, keys: KeyAdministration): Promise<boolean | undefined> {
  try {
    const metadata = await ifAllowed(keys.metadata(alias))
    return metadata && isSameKey(metadata.Arn, key.arn)
  } catch (error) {
    if (error instanceof KeyNotFoundError) return false
    throw error
  }
}
