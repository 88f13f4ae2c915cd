import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { generateMigration } from '../../migration'
import { KEY_TABLE_FIRST } from '../../migration/generate/key-table-changes'
import { type Command, CommandFailed, UsageError } from '../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../data-source'

export const migrationGenerate: Command = {
  name: 'migration:generate',
  positionals: 'PATH/Name',
  summary: "Writes a TypeORM migration for encrypted columns, where TypeORM's own would lose data.",
  options: DATA_SOURCE_OPTIONS,
  async run(args, terminal) {
    const path = args.required(0)
    const [folder, name] = [dirname(path), basename(path)]
    if (!/^[A-Za-z_$][\w$-]*$/.test(name)) {
      throw new UsageError(
        `${JSON.stringify(name)} cannot be the name of a class: give PATH/Name, without timestamp and extension`,
      )
    }
    await refuseSecond(folder, name)
    const timestamp = Date.now()
    const text = await withDataSource(args, (dataSource) => generateMigration(dataSource, name, timestamp))
    if (text === undefined)
      throw new CommandFailed('the database is as the entities declare it: nothing to migrate.')
    const file = join(folder, `${timestamp}-${name}.ts`)
    await write(file, text)
    terminal.print(
      text.includes(KEY_TABLE_FIRST)
        ? `${file} is written: it makes the table of the stored data keys, which must be there before values are encrypted. Run TypeORM's migration:run, then migration:generate once more, under another name, for the columns.`
        : `${file} is written. Read it, then run TypeORM's migration:run.`,
    )
    terminal.printJson({ file })
  },
}

/** What an earlier migration of this name changes, when it runs, the new one would change once more. */
async function refuseSecond(folder: string, name: string): Promise<void> {
  const files = await readdir(folder).catch((): string[] => [])
  const found = files.find((file) => file.replace(/^\d+-/, '').replace(/\.[cm]?[jt]s$/, '') === name)
  if (found === undefined) return
  throw new CommandFailed(
    `there is a migration ${name} already: ${join(folder, found)}. Run or remove it first, or choose another name. Nothing was written.`,
  )
}

async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    throw new CommandFailed(`${file} cannot be written (${(error as Error).message}). Nothing was changed.`)
  }
}
