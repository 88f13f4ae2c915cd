import { type IndexLeakage, type KeyCount } from '../../../migration'
import { dataKeyIdOf } from '../../../migration/value-starts'
import { rowPropertiesOf } from '../../../column/row-properties'
import { type DeclaredIndex } from '../../../column/search'
import { KmsEncryptionError } from '../../../errors'
import { type BoundColumn } from '../../../orm/bound-column'
import {
  type ReportedColumn,
  type ReportedKeyRows,
  type ReportedLeakage,
  type ReportedRows,
} from '../../../report/report'
import { type ColumnLook, unseenIn } from './column-looks'

/** One column for the report: its settings, and what was seen of it. */
export function reportedColumn(column: BoundColumn, seen: ColumnLook | KmsEncryptionError): ReportedColumn {
  const { metadata, recipes, scheme, indexes } = column
  const { boundTo, acceptPlaintext = false, previous = [] } = scheme.options
  const [current] = recipes.contexts
  const found = seen instanceof KmsEncryptionError ? undefined : seen
  return {
    name: column.name,
    table: metadata.entityMetadata.tablePath,
    column: metadata.databaseName,
    databaseType: found?.status.type,
    valueType: scheme.type.name,
    mode: recipes.mode,
    dataKeys: recipes.mode === 'direct' ? 'none' : recipes.usesStoredKey ? 'stored' : 'inline',
    kmsKey: recipes.keyId,
    context: current?.fixed ?? {},
    keyPer: (current?.perRow ?? []).map(({ name }) => name),
    boundToRow: rowPropertiesOf(boundTo?.row).map(({ property }) => property),
    acceptsPlaintext: acceptPlaintext,
    mayWritePlaintext: column.plaintextWrites !== undefined,
    previousSettings: previous.length,
    indexes: indexes.map(({ declared, metadata }) => ({
      name: declared.name,
      column: metadata.databaseName,
      isUnique: declared.isUnique,
      isFilling: declared.isFilling,
      missing: found?.status.indexes.find(({ name }) => name === declared.name)?.missing,
      of: kindOf(declared),
      leakage: leakageOf(found?.leakage.find(({ index }) => index === declared.name)),
    })),
    holds: found && rowsOf(found),
    unseen: unseenIn(seen),
  }
}

function kindOf({ normalize, from }: DeclaredIndex): 'value' | 'normalized' | 'part' {
  return from ? 'part' : normalize ? 'normalized' : 'value'
}

function leakageOf(leak: IndexLeakage | undefined): ReportedLeakage | undefined {
  if (!leak) return undefined
  const { rows, classes, largest, alone, entropy, advice } = leak
  return { rows, distinct: classes, mostFrequent: largest, alone, bits: entropy, advice }
}

function rowsOf(look: ColumnLook): ReportedRows {
  const { rows, null: empty, plaintext, bare, forgotten, missing, unknown, ciphertext, history } = look.status
  const made = rowsByKeyAge(look)
  return {
    rows,
    null: empty,
    encrypted: ciphertext.reduce((sum, group) => sum + group.rows, 0),
    plaintext,
    bare,
    forgotten,
    lost: missing,
    unknown,
    plaintextInHistory: history?.plaintext ?? 0,
    keys: ciphertext.map((group) => keyRows(group, made)),
    byMonth: byMonth(made),
  }
}

interface MadeAt {
  kmsKey: string
  at: Date
  rows: number
}

/** The rows under each stored data key that is there, with when it was made. */
function rowsByKeyAge({ contents, dataKeys }: ColumnLook): MadeAt[] {
  return contents.current.flatMap((start) => {
    const dataKey = dataKeys.get(dataKeyIdOf(start)?.toString('hex') ?? '')
    if (dataKey?.state !== 'there') return []
    return [{ kmsKey: dataKey.row.keyReference, at: dataKey.row.createdAt, rows: start.rows }]
  })
}

function keyRows(
  { mode, keyArn, keyTag, dataKeys, rows }: KeyCount,
  made: readonly MadeAt[],
): ReportedKeyRows {
  const kmsKey = keyArn ?? `key tag ${keyTag ?? ''}`
  const times = mode === 'stored' ? made.filter((each) => each.kmsKey === keyArn).map(({ at }) => at) : []
  return { mode, kmsKey, rows, dataKeys, ...range(times) }
}

function byMonth(made: readonly MadeAt[]): Record<string, number> {
  const months: Record<string, number> = {}
  for (const { at, rows } of made) {
    const month = at.toISOString().slice(0, 7)
    months[month] = (months[month] ?? 0) + rows
  }
  return months
}

/** The first and the last of some times. */
export function range(times: readonly Date[]): { oldest: Date | undefined; newest: Date | undefined } {
  const sorted = times.map((time) => time.getTime()).sort((a, b) => a - b)
  const at = (index: number): Date | undefined => {
    const time = sorted.at(index)
    return time === undefined ? undefined : new Date(time)
  }
  return { oldest: at(0), newest: at(-1) }
}
