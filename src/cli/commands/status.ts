import { type DataSource, type QueryRunner } from 'typeorm'
import { KmsEncryptionError } from '../../errors'
import { type ColumnStatus, type KeyCount } from '../../migration'
import { configuredKeys } from '../../migration/configured-keys'
import { rowsHidden } from '../../migration/column-contents'
import { CountedTogether } from '../../migration/counted-together'
import { declaredTypeMismatch } from '../../migration/declared-type'
import { type BoundColumn } from '../../orm/bound-column'
import { type Command, CommandFailed } from '../command'
import { withDataSource } from '../data-source'
import { type IndexKeyPlace, indexKeyPlace } from '../index-key'
import { knownKeys } from '../known-keys'
import { readStatus } from '../../migration/status'
import { chosenColumns, COLUMN_OPTIONS } from '../migration-options'
import { amount } from '../progress'
import { type Terminal } from '../terminal'

export const status: Command = {
  name: 'status',
  summary: 'Counts per encrypted column: NULL, plaintext, and ciphertext per KMS key.',
  options: COLUMN_OPTIONS,
  async run(args, terminal) {
    const file = args.text('dataSource') ?? ''
    const { columns, indexKey } = await withDataSource(args, async (dataSource) => {
      const chosen = chosenColumns(dataSource, args)
      return { columns: await examine(dataSource, chosen), indexKey: await indexKeyPlace(chosen, file) }
    })
    const seen = columns.flatMap(({ found }) => found ?? [])
    if (seen.length > 0) {
      printTable(seen, terminal)
    }
    if (indexKey?.kmsKey !== undefined) terminal.print(`indexKey is under ${indexKey.kmsKey}`)
    terminal.printJson(columns.map((column) => jsonOf(column, indexKey)))
    const remarks = [
      ...columns.flatMap(remarksOn),
      ...(indexKey?.remark === undefined ? [] : [indexKey.remark]),
    ]
    terminal.print()
    for (const remark of remarks) terminal.remark('! ', remark)
    const unseen = columns.filter(({ notSeen }) => notSeen !== undefined).length
    if (unseen > 0) {
      throw new CommandFailed(
        `${amount(unseen)} of ${amount(columns.length)} columns could not be looked at, or not at all of their rows. Mend what is marked with !, and run the same again.`,
      )
    }
    terminal.remark('→ ', nextStep(columns, file))
  },
}

interface Examined {
  column: string
  found: ColumnStatus | undefined
  /** Why the column, or some of its rows, could not be looked at. */
  notSeen: string | undefined
  /** Its plaintext is not of the type that the column declares. */
  mismatch: string | undefined
}

function jsonOf({ found, ...rest }: Examined, indexKey: IndexKeyPlace | undefined): object {
  const isSearched = indexKey?.columns.includes(rest.column) === true
  return { ...found, ...rest, ...(isSearched ? { indexKey: indexKey.kmsKey ?? null } : {}) }
}

async function examine(dataSource: DataSource, columns: readonly BoundColumn[]): Promise<Examined[]> {
  const queryRunner = dataSource.createQueryRunner('master')
  const together = new CountedTogether(columns)
  try {
    const examined: Examined[] = []
    for (const column of columns)
      examined.push({ column: column.name, ...(await examineColumn(queryRunner, column, together)) })
    return examined
  } finally {
    await queryRunner.release()
  }
}

async function examineColumn(
  queryRunner: QueryRunner,
  column: BoundColumn,
  together: CountedTogether,
): Promise<Omit<Examined, 'column'>> {
  try {
    const keys = await knownKeys(column, (await configuredKeys(queryRunner, column)) ?? [])
    const found = await readStatus(queryRunner, column, keys, await together.of(queryRunner, column))
    const mismatch = found.plaintext > 0 ? await declaredTypeMismatch(queryRunner, column) : undefined
    const path = column.metadata.entityMetadata.tablePath
    return { found, notSeen: found.hiddenBy && rowsHidden(path, found.hiddenBy), mismatch }
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return { found: undefined, notSeen: error.reason, mismatch: undefined }
  }
}

const HEADER = ['column', 'rows', 'NULL', 'plaintext', 'ciphertext', 'format, KMS key']

/** Where ARNs have no room in the table, they stand below it, each with a number. */
function printTable(seen: readonly ColumnStatus[], terminal: Terminal): void {
  const whole = seen.flatMap((found) => lines(found, nameOf))
  if (terminal.hasRoomFor(HEADER, whole)) {
    terminal.table(HEADER, whole)
    return
  }
  const numbers = new Map<string, number>()
  const short = (count: KeyCount): string => {
    const { keyArn } = count
    if (keyArn === undefined) return nameOf(count)
    const number = numbers.get(keyArn) ?? numbers.size + 1
    numbers.set(keyArn, number)
    return nameOf({ ...count, keyArn: `key ${number}` })
  }
  terminal.table(
    HEADER,
    seen.flatMap((found) => lines(found, short)),
  )
  terminal.print()
  for (const [arn, number] of numbers) terminal.fields([[`key ${number}`, arn]])
}

function lines(found: ColumnStatus, name: (count: KeyCount) => string): string[][] {
  const first = [
    `${found.entity}.${found.property}`,
    amount(found.rows),
    amount(found.null),
    amount(found.plaintext),
  ]
  const groups = [
    ...found.ciphertext.map((count) => [amount(count.rows), name(count)]),
    ...(found.otherStorage > 0
      ? [[amount(found.otherStorage), 'of these as base64 or bytes against storage: rotate']]
      : []),
    ...(found.bare > 0 ? [[amount(found.bare), 'KMS blob of another program']] : []),
    ...(found.forgotten > 0 ? [[amount(found.forgotten), 'forgotten: their data keys were destroyed']] : []),
    ...(found.missing > 0 ? [[amount(found.missing), 'lost: the key table has no such data keys']] : []),
    ...(found.unknown > 0 ? [[amount(found.unknown), 'unknown format']] : []),
    ...found.indexes.flatMap(({ column, missing }) =>
      missing ? [[amount(missing), `without blind index (${column})`]] : [],
    ),
  ]
  if (groups.length === 0) groups.push(['0', ''])
  return groups.map((group, index) => [...(index === 0 ? first : ['', '', '', '']), ...group])
}

function nameOf({ version, mode, keyTag, keyArn, dataKeys }: KeyCount): string {
  const keys = dataKeys === undefined ? '' : ` (${amount(dataKeys)} data ${dataKeys === 1 ? 'key' : 'keys'})`
  return `v${version} ${mode}${keys}, ${keyArn ?? `key tag ${keyTag ?? ''}`}`
}

/** What the numbers do not say. */
function remarksOn({ column, found, notSeen, mismatch }: Examined): string[] {
  const remarks = [notSeen, mismatch].flatMap((text) => (text === undefined ? [] : `${column}: ${text}`))
  const history = found && historyRemark(found)
  return [...remarks, ...indexRemarks(column, found), ...(history === undefined ? [] : [history])]
}

function indexRemarks(name: string, found: ColumnStatus | undefined): string[] {
  return (found?.indexes ?? []).flatMap(({ column, missing, isFilling }) => {
    if (missing === undefined)
      return `${name}: the database has no column ${column} for the blind index. Run the schema migrations.`
    if (missing === 0 && isFilling)
      return `${name}: the blind index ${column} is filled. When no process of before is left, leave out filling.`
    return []
  })
}

/** The one thing to do now: what is lost or read by others comes first. */
function nextStep(columns: readonly Examined[], file: string): string {
  if (columns.some(({ mismatch }) => mismatch !== undefined)) {
    return 'Declare the types as said above, then run the same again.'
  }
  const having = (what: (found: ColumnStatus) => number): string | undefined => {
    const names = columns.filter(({ found }) => found && what(found) > 0).map(({ column }) => column)
    return names.length === 0 ? undefined : `-d ${file} --columns ${names.join(',')}`
  }
  const unknown = having((found) => found.unknown)
  if (unknown !== undefined) return `typeorm-kms verify ${unknown} names the rows of unknown format.`
  if (having((found) => found.missing) !== undefined) {
    return 'Restore the key table from a backup that is as new as the values: docs/stored-data-keys.md.'
  }
  const plaintext = having((found) => found.plaintext)
  if (plaintext !== undefined) return `typeorm-kms encrypt ${plaintext}`
  const unindexed = having(({ indexes }) => indexes.reduce((sum, { missing = 0 }) => sum + missing, 0))
  if (unindexed !== undefined) return `typeorm-kms encrypt ${unindexed} fills the blind indexes.`
  const otherStorage = having((found) => found.otherStorage)
  if (otherStorage !== undefined) return `typeorm-kms rotate ${otherStorage}`
  const history = having((found) => found.history?.plaintext ?? 0)
  if (history !== undefined)
    return 'When nobody needs the earlier versions of rows, delete them as said above.'
  const values = having((found) => found.rows - found.null)
  return values === undefined
    ? 'Nothing to do: there are no values.'
    : `Nothing to do here. typeorm-kms verify -d ${file} proves that every value opens.`
}

/** What the history of a system-versioned table keeps, and what to do; `undefined` if it keeps no plaintext. */
export function historyRemark({ entity, property, history, table }: ColumnStatus): string | undefined {
  if (!history || history.plaintext === 0) return undefined
  const count = history.plaintext
  return `${entity}.${property}: ${amount(count)} earlier ${count === 1 ? 'version' : 'versions'} of rows hold plaintext in the history of the system-versioned table ${table}. Encrypting changes no history. When nobody needs it: DELETE HISTORY FROM ${table}`
}
