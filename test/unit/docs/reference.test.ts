import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { commands } from '../../../src/cli/commands'
import * as errors from '../../../src/errors'
import { document, root } from './documents'

/** The members of an interface of src, by its name, with those that it inherits. */
function members(name: string): string[] {
  for (const file of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(root, 'src', file), 'utf8')
    if (!text.includes(`interface ${name}`)) continue
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest)
    for (const statement of source.statements) {
      if (ts.isInterfaceDeclaration(statement) && statement.name.text === name)
        return [
          ...statement.members.map((member) => (member.name as ts.Identifier).text),
          ...(statement.heritageClauses ?? []).flatMap(({ types }) =>
            types.flatMap(({ expression }) => members((expression as ts.Identifier).text)),
          ),
        ]
    }
  }
  throw new Error(`there is no interface ${name}`)
}

/** Interfaces of options that the package exports, and where they are explained. */
const OPTIONS: Readonly<Record<string, string>> = {
  KmsEncryptionOptions: 'README.md',
  CacheOptions: 'README.md',
  KmsEncryptedOptions: 'README.md',
  SearchIndexOptions: 'docs/search.md',
  PreviousSettings: 'README.md',
  StoredDataKeysOptions: 'docs/stored-data-keys.md',
  MigrationOptions: 'docs/migrations.md',
  EncryptOptions: 'docs/migrations.md',
  RotateOptions: 'docs/migrations.md',
  VerifyOptions: 'docs/migrations.md',
  ColumnStatusOptions: 'docs/migrations.md',
  ForgetOptions: 'docs/operations.md',
  LocalKmsOptions: 'docs/local-kms.md',
  ListenOptions: 'docs/local-kms.md',
}

test('every exported interface of options is explained somewhere', () => {
  const entries = ['src/index.ts', 'src/migration/index.ts', 'src/local-kms/index.ts']
  const exported = entries.flatMap((entry) =>
    Array.from(readFileSync(join(root, entry), 'utf8').matchAll(/\b\w+(?:Options|Settings)\b/g), String),
  )
  expect(exported.filter((name) => !(name in OPTIONS))).toEqual([])
})

test.each(Object.entries(OPTIONS))('every member of %s stands in %s', (name, path) => {
  // In a table of options the names come first in their row; earlier settings stand in the row of `previous`.
  const rows = document(path)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => (name === 'PreviousSettings' ? line : (line.split('|')[1] ?? '')))
  const explained = new Set(
    rows.flatMap((cell) =>
      Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = '']) => code.match(/[\w.]+/g) ?? []).flat(),
    ),
  )
  const prefix = name === 'CacheOptions' ? 'cache.' : ''
  // `cache` is explained by its members.
  const missing = members(name).filter((member) => !explained.has(prefix + member) && member !== 'cache')
  expect(missing).toEqual([])
})

describe('The table of errors', () => {
  const table = document('README.md')
    .split('\n')
    .filter((line) => /^\| `[A-Z_]+`/.test(line))
    .flatMap((line) => {
      const [, codes = '', kind = ''] = line.split('|')
      return Array.from(codes.matchAll(/`([A-Z_]+)`/g), ([, code = '']) => [code, kind.trim()] as const)
    })

  const source = readFileSync(join(root, 'src/errors/codes.ts'), 'utf8')
  const codes = Array.from(source.matchAll(/^ {2}\| '([A-Z_]+)'/gm), ([, code = '']) => code)

  test('has every code, once', () => {
    expect(codes.length).toBeGreaterThan(30)
    expect(table.map(([code]) => code).sort()).toEqual([...codes].sort())
  })

  test('gives each its kind', () => {
    const kinds = new Map<string, string>()
    for (const each of Object.values(errors) as unknown[]) {
      if (typeof each !== 'function' || !(each.prototype instanceof errors.KmsEncryptionError)) continue
      const { code, kind } = Reflect.construct(each, ['a reason', {}]) as errors.KmsEncryptionError
      kinds.set(code, kind)
    }
    expect(Object.fromEntries(table)).toEqual(Object.fromEntries(kinds))
  })
})

describe('docs/cli.md', () => {
  const text = document('docs/cli.md')

  test.each(commands.map(({ name }) => [name]))('has %s', (name) => {
    expect(text).toMatch(new RegExp(`\`${name}(?: [A-Z]+)?\`|^## ${name}`, 'm'))
  })

  test('has every flag of every command', () => {
    const flags = new Set([...commands.flatMap(({ options }) => Object.keys(options)), 'json', 'help'])
    expect([...flags].filter((flag) => !new RegExp(`--${flag}\\b`).test(text))).toEqual([])
  })

  test('has no flag that is none', () => {
    const flags = new Set([...commands.flatMap(({ options }) => Object.keys(options)), 'json', 'help'])
    const named = new Set(
      Array.from(text.matchAll(/(?<![\w-])--([a-z][a-zA-Z-]+)/g), ([, flag = '']) => flag),
    )
    expect([...named].filter((flag) => !flags.has(flag))).toEqual([])
  })
})
