import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Command, CommandFailed } from '../../command'
import { DATA_SOURCE_OPTIONS } from '../../data-source'
import { KMS_OPTIONS } from '../../kms-client'
import { type Terminal } from '../../terminal'
import { printFindings } from '../doctor'
import { count } from '../doctor/finding'
import { formats } from '../keys/policy/formats'
import { columnsIn, otherColumns, type ProposedColumn } from './columns'
import { look, type Looked } from './look'
import { policyOf, type ProposedPolicy } from './policy'
import { type Project, readProject } from './project'
import { remarksOn } from './remarks'
import { commandsFor, configuration, encryptionFile } from './texts'

export const init: Command = {
  name: 'init',
  positionals: '[FOLDER]',
  summary: 'Looks at a project, and says what to paste where. Changes nothing unless told to.',
  options: {
    ...DATA_SOURCE_OPTIONS,
    ...KMS_OPTIONS,
    offline: { type: 'boolean', help: 'run nothing of the project and ask no database: go by names' },
    alias: { type: 'string', value: 'NAME', help: 'alias of the KMS key, alias/my-app by default' },
    write: { type: 'boolean', help: 'write the file with kmsEncryption(); it must not be there yet' },
  },
  async run(args, terminal) {
    const folder = args.positionals[0] ?? '.'
    const alias = args.text('alias') ?? 'alias/my-app'
    const project = await readProject(folder)
    const looked = await look(folder, project, args)
    const { samples, findings } = looked
    const columns = [
      ...project.sources.flatMap((source) => columnsIn(source, samples)),
      ...otherColumns(project.sources, samples),
    ]
    const file = encryptionFile(project, alias)
    const steps = configuration(project)
    const commands = commandsFor(project, alias)
    const policy = policyOf(project, columns, looked, alias)
    const found = described(project, looked)
    terminal.print(terminal.style('bold', 'Found'))
    for (const [what, text] of Object.entries(found)) terminal.remark(`  ${what.padEnd(12)} `, text)
    const remarks = remarksOn(project)
    for (const remark of [...remarks, ...looked.failed]) terminal.remark('  ! ', remark)
    terminal.print(`\n${terminal.style('bold', file.path)}\n\n${indented(file.text)}`)
    for (const { where, text } of steps)
      terminal.print(`${terminal.style('bold', where)}\n\n${indented(text)}`)
    printColumns(columns, looked, terminal)
    printPolicy(policy, terminal)
    terminal.print(`${terminal.style('bold', 'Then')}\n\n${indented(commands.join('\n'))}`)
    if (args.flag('write')) await write(join(folder, file.path), file.text)
    terminal.printJson({
      project: found,
      remarks,
      file,
      configuration: steps,
      columns,
      policy,
      commands,
      findings,
    })
    if (findings) {
      terminal.print(terminal.style('bold', 'Check (typeorm-kms doctor)\n'))
      printFindings(findings, terminal)
      const problems = findings.filter(({ level }) => level === 'problem').length
      if (problems > 0)
        throw new CommandFailed(`${count(problems, 'problem')} found: see what is marked with ✗.`)
    }
  },
}

function described(project: Project, { why, samples }: Looked): Record<string, string> {
  const { modules, framework, typeorm, database, dataSource, sources } = project
  const values = samples.reduce((sum, { looked }) => sum + looked, 0)
  return {
    modules: modules === 'module' ? 'ES modules' : 'CommonJS',
    framework: framework === 'nestjs' ? 'NestJS' : 'none that is known',
    typeorm: typeorm ?? 'not in package.json',
    database: database ?? 'no driver in package.json',
    dataSource: dataSource ?? 'not found',
    sources: `${sources.length} files of TypeScript`,
    values:
      why === undefined
        ? `looked at ${count(values, 'value')} of ${count(samples.length, 'text column')}, and kept none`
        : `none; columns go by their names (${why})`,
  }
}

function printColumns(columns: readonly ProposedColumn[], { why }: Looked, terminal: Terminal): void {
  const what = why === undefined ? 'names or values look' : 'names sound'
  terminal.print(terminal.style('bold', `Columns whose ${what} like secrets or personal data`))
  if (columns.length === 0) {
    terminal.print('\n  None was found. Declare yours with @KmsEncrypted() instead of @Column().\n')
    return
  }
  for (const { file, line, entity, property, before, after, reasons, remark } of columns) {
    terminal.print()
    const place = file === undefined ? '' : `${file}:${line ?? 1}  `
    terminal.remark('  ', `${place}${entity}.${property}: ${reasons.join('; ')}`)
    if (remark !== undefined) terminal.remark('  ! ', remark)
    if (before !== undefined) terminal.print(terminal.style('red', `  - ${before}`))
    terminal.print(terminal.style('green', `  + ${after}`))
  }
  terminal.print(`\n  import { KmsEncrypted } from 'typeorm-kms-encrypted'\n`)
}

function printPolicy({ statements, unknown, isGuess }: ProposedPolicy, terminal: Terminal): void {
  if (statements.length === 0) return
  terminal.print(`${terminal.style('bold', 'Key policy of the application, with these columns')}\n`)
  terminal.print(indented(formats.json(statements, 'application')))
  if (isGuess)
    terminal.remark(
      '  ! ',
      'Tables are called as TypeORM calls them by default; keys policy asks the entities.',
    )
  for (const entity of unknown)
    terminal.remark(
      '  ! ',
      `The table of ${entity} is not among these: its class is no entity. keys policy has it.`,
    )
  terminal.print()
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
