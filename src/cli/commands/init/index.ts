import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Command, CommandFailed } from '../../command'
import { columnsIn, type ProposedColumn } from './columns'
import { type Project, readProject } from './project'
import { configuration, encryptionFile } from './texts'

export const init: Command = {
  name: 'init',
  positionals: '[FOLDER]',
  summary: 'Looks at a project, and says what to paste where. Changes nothing unless told to.',
  options: {
    alias: { type: 'string', value: 'NAME', help: 'alias of the KMS key, alias/my-app by default' },
    write: { type: 'boolean', help: 'write the file with kmsEncryption(); it must not be there yet' },
  },
  async run(args, terminal) {
    const folder = args.positionals[0] ?? '.'
    const alias = args.text('alias') ?? 'alias/my-app'
    const project = await readProject(folder)
    const columns = project.sources.flatMap(columnsIn)
    const file = encryptionFile(project, alias)
    const steps = configuration(project)
    const dataSource = project.dataSource ?? 'ormconfig.ts'
    const commands = [
      ...(project.isInstalled ? [] : ['npm install typeorm-kms-encrypted @aws-sdk/client-kms']),
      `npx typeorm-kms keys create --alias ${alias} --rotation --description 'Columns of this application'`,
      `npx typeorm-kms migration:generate -d ${dataSource} ${project.migrations}/EncryptColumns`,
      `npx typeorm migration:run -d ${dataSource}`,
      `npx typeorm-kms keys policy -d ${dataSource} --for application`,
      `npx typeorm-kms doctor -d ${dataSource}`,
    ]
    terminal.print(terminal.style('bold', 'Found'))
    for (const [what, found] of Object.entries(described(project)))
      terminal.print(`  ${what.padEnd(12)} ${found}`)
    terminal.print(`\n${terminal.style('bold', file.path)}\n\n${indented(file.text)}`)
    terminal.print(`${terminal.style('bold', steps.where)}\n\n${indented(steps.text)}`)
    printColumns(columns, terminal)
    terminal.print(`${terminal.style('bold', 'Then')}\n\n${indented(commands.join('\n'))}`)
    terminal.printJson({ project: described(project), file, configuration: steps, columns, commands })
    if (args.flag('write')) await write(join(folder, file.path), file.text)
  },
}

function described({ modules, framework, typeorm, database, dataSource, sources }: Project) {
  return {
    modules: modules === 'module' ? 'ES modules' : 'CommonJS',
    framework: framework === 'nestjs' ? 'NestJS' : 'none that is known',
    typeorm: typeorm ?? 'not in package.json',
    database: database ?? 'no driver in package.json',
    dataSource: dataSource ?? 'not found',
    sources: `${sources.length} files of TypeScript`,
  }
}

type Printer = Pick<Parameters<Command['run']>[1], 'print' | 'style'>

function printColumns(columns: readonly ProposedColumn[], terminal: Printer): void {
  terminal.print(terminal.style('bold', 'Columns whose names sound like secrets or personal data'))
  if (columns.length === 0) {
    terminal.print('\n  None was found. Declare yours with @KmsEncrypted() instead of @Column().\n')
    return
  }
  for (const { file, line, entity, property, before, after, remark } of columns) {
    terminal.print(`\n  ${file}:${line}  ${entity}.${property}${remark === undefined ? '' : `: ${remark}`}`)
    terminal.print(terminal.style('red', `  - ${before}`))
    terminal.print(terminal.style('green', `  + ${after}`))
  }
  terminal.print(`\n  import { KmsEncrypted } from 'typeorm-kms-encrypted'\n`)
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ') + '\n'
}

async function write(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    throw new CommandFailed(`${path} cannot be written (${(error as Error).message}). Nothing was changed.`)
  }
}
