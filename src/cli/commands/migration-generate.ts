import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { generateMigration } from '../../migration'
import { type Command, CommandFailed } from '../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../data-source'

export const migrationGenerate: Command = {
  name: 'migration:generate',
  positionals: 'PATH/Name',
  summary: "Writes a TypeORM migration for encrypted columns, where TypeORM's own would lose data.",
  options: DATA_SOURCE_OPTIONS,
  async run(args, terminal) {
    const path = args.positionals[0]!
    const timestamp = Date.now()
    const text = await withDataSource(args, (dataSource) =>
      generateMigration(dataSource, basename(path), timestamp),
    )
    if (text === undefined)
      throw new CommandFailed('the database is as the entities declare it: nothing to migrate.')
    const file = join(dirname(path), `${timestamp}-${basename(path)}.ts`)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
    terminal.print(`${file} is written. Read it, then run TypeORM's migration:run.`)
    terminal.printJson({ file })
  },
}
