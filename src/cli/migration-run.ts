import { type DataSource } from 'typeorm'
import { columnStatus, type MigrationOptions, type MigrationResult, type Unreadable } from '../migration'
import { type BoundColumn } from '../orm/bound-column'
import { type Arguments, CommandFailed } from './command'
import { historyRemark } from './commands/status'
import { placeOf } from '../migration/encrypted-columns'
import { withDataSource } from './data-source'
import { chosenColumns, migrationOptions } from './migration-options'
import { amount, duration, Progress } from './progress'
import { type Terminal } from './terminal'

type Run<Result> = (
  dataSource: DataSource,
  entity: string,
  properties: readonly string[],
  options: MigrationOptions,
) => Promise<Result[]>

interface RunTexts {
  /** `encrypted` */
  done: string
  /** Leaves out those of all columns that it is not about. */
  narrow?: (columns: readonly BoundColumn[]) => readonly BoundColumn[]
  /** Called with the columns before anything is done. */
  confirm?: (columns: readonly BoundColumn[]) => Promise<void>
  /** Called with the columns when all is done, while the DataSource is there. */
  finish?: (columns: readonly BoundColumn[]) => Promise<void>
}

/** Runs a migration over the chosen columns, one after the other, with progress; SIGINT stops it cleanly. */
export function runMigration<Result extends MigrationResult>(
  args: Arguments,
  terminal: Terminal,
  run: Run<Result>,
  { done, narrow, confirm, finish }: RunTexts,
): Promise<Result[]> {
  const options = migrationOptions(args)
  return withDataSource(args, async (dataSource) => {
    const chosen = chosenColumns(dataSource, args)
    const columns = narrow?.(chosen) ?? chosen
    await confirm?.(columns)
    const progress = new Progress(terminal)
    return stoppable(terminal, progress, async (signal) => {
      const results: Result[] = []
      for (const column of columns) {
        const { target, propertyPath } = placeOf(column)
        const onProgress = progress.update.bind(progress)
        try {
          const onNote = (note: string): void => {
            progress.end()
            terminal.noteRemark('! ', note)
          }
          const found = await run(dataSource, target, [propertyPath], {
            ...options,
            signal,
            onProgress,
            onNote,
          })
          results.push(...found)
        } finally {
          progress.end()
        }
        for (const result of results.slice(-1)) printResult(result, done, options.dryRun === true, terminal)
      }
      if (done !== 'verified') await printHistories(dataSource, columns, terminal)
      await finish?.(columns)
      return results
    })
  })
}

/** What was encrypted now is plaintext in the history of a system-versioned table from now on. */
async function printHistories(
  dataSource: DataSource,
  columns: readonly BoundColumn[],
  terminal: Terminal,
): Promise<void> {
  for (const column of columns) {
    const { target, propertyPath } = placeOf(column)
    const remark = historyRemark(await columnStatus(dataSource, target, propertyPath))
    if (remark !== undefined) terminal.noteRemark('! ', remark)
  }
}

/** Ends a command that left rows as they are, with their list. */
export function refuseSkipped(results: readonly MigrationResult[], terminal: Terminal): void {
  const left = results.reduce((sum, { skipped, contended }) => sum + skipped + contended, 0)
  if (left === 0) return
  for (const { entity, property, failures } of results) {
    printRows(`${entity}.${property}`, failures, failures.length, terminal)
  }
  throw new CommandFailed(
    `${amount(left)} ${left === 1 ? 'row was left as it is' : 'rows were left as they are'}; mend or remove those that are listed, and run the same again`,
  )
}

/** The last line of a command that wrote: the one that shows what became of it. */
export function adviseNext(args: Arguments, terminal: Terminal, command: string, shows: string): void {
  const columns = args.text('columns')
  const chosen = columns === undefined ? '' : ` --columns ${columns}`
  terminal.remark(
    '→ ',
    args.flag('dry-run')
      ? 'Nothing was changed. The same without --dry-run does it.'
      : `typeorm-kms ${command} -d ${args.text('dataSource') ?? ''}${chosen} ${shows}.`,
  )
}

/** Rows with what is wrong with each, at most `most`. */
export function printRows(
  column: string,
  rows: readonly Unreadable[],
  most: number,
  terminal: Terminal,
): void {
  for (const { primaryKey, code, reason } of rows.slice(0, most)) {
    terminal.print(`  ${column} (${primaryKeyText(primaryKey)}): ${code}: ${reason}`)
  }
}

export function primaryKeyText(primaryKey: Unreadable['primaryKey']): string {
  return Object.entries(primaryKey)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(', ')
}

/** The first SIGINT stops after the batches under way; the second ends the process. */
async function stoppable<T>(
  terminal: Terminal,
  progress: Progress,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  const onSignal = (): void => {
    progress.end()
    terminal.note('Stopping after the batches under way; once more to stop at once.')
    stop.abort()
  }
  process.once('SIGINT', onSignal)
  try {
    return await work(stop.signal)
  } finally {
    process.removeListener('SIGINT', onSignal)
  }
}

function printResult(result: MigrationResult, done: string, dryRun: boolean, terminal: Terminal): void {
  const { entity, property, rows, changed, contended, forgotten, elapsed } = result
  const rate = Math.round(rows / Math.max(elapsed / 1_000, 0.001))
  const what = done === 'verified' ? '' : `${amount(changed)} ${dryRun ? 'would be ' : ''}${done}, `
  terminal.print(
    `${entity}.${property}: ${what}${amount(rows)} rows seen in ${duration(elapsed / 1_000)} (${amount(rate)} rows/s)`,
  )
  if (forgotten > 0) {
    terminal.print(
      `  ${amount(forgotten)} ${forgotten === 1 ? 'is' : 'are'} forgotten: the data key was destroyed, and nothing opens ${forgotten === 1 ? 'it' : 'them'}`,
    )
  }
  if (contended > 0) {
    terminal.print(
      `  ${amount(contended)} rows were written by others again and again and are left; run the same again`,
    )
  }
}
