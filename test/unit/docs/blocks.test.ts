import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commands } from '../../../src/cli/commands'
import { changes, examples } from '../../support/examples'
import { documents, root } from './documents'

/** Each code block of the documents, with where it stands. */
const blocks = documents.flatMap(({ path, text }) =>
  Array.from(
    text.matchAll(/^ *```([\w-]*)\n([\s\S]*?)^ *```$/gm),
    ({ 1: language = '', 2: code = '', index }) => ({
      place: `${path}:${text.slice(0, index).split('\n').length}`,
      language,
      code,
    }),
  ),
)

const of = (language: string) => blocks.filter((block) => block.language === language)

/** Which test reads the blocks of a language, or those of a document. What nobody claims fails. */
const CLAIMS: readonly { language: string; in?: RegExp; by: string }[] = [
  { language: '', by: 'no language: pictures, and what programs print' },
  { language: 'text', in: /^docs\/ciphertext-format/, by: 'test/unit/cipher/foreign-decoder.test.ts' },
  { language: 'ts', by: 'test/processes/examples.test.ts' },
  { language: 'diff', by: 'test/processes/examples.test.ts' },
  { language: 'json', by: 'test/unit/docs/blocks.test.ts' },
  { language: 'sh', by: 'test/unit/docs/blocks.test.ts' },
  { language: 'console', by: 'test/unit/docs/blocks.test.ts' },
  { language: 'js', in: /^docs\/recipes\/jest/, by: 'test/processes/configurations.test.ts' },
  { language: 'js', in: /^docs\/eslint/, by: 'test/processes/eslint/rules.test.ts' },
  { language: 'python', in: /^docs\/ciphertext-format/, by: 'test/unit/cipher/foreign-decoder.test.ts' },
  { language: 'py', in: /^docs\/ciphertext-format/, by: 'test/processes/python.test.ts' },
  { language: 'sql', in: /^(README|docs\/ciphertext-format)/, by: 'test/integration/documents-sql.test.ts' },
  { language: 'sql', in: /^docs\/operations/, by: 'test/integration/stored-keys/restore.test.ts' },
  {
    language: 'sql',
    in: /^docs\/access/,
    by: 'not run: a query of Athena over CloudTrail, which is not here',
  },
  { language: 'hcl', in: /^docs\/recipes\/infra/, by: 'not run: Terraform is not here' },
]

test('every block is read by a test, and every test that claims blocks names their document', () => {
  const claimed = (block: (typeof blocks)[number]) =>
    CLAIMS.filter((claim) => claim.language === block.language && (claim.in?.test(block.place) ?? true))
  expect(blocks.length).toBeGreaterThan(80)
  expect(blocks.filter((block) => claimed(block).length !== 1)).toEqual([])
  for (const claim of CLAIMS) {
    expect(blocks.filter((block) => claimed(block).includes(claim))).not.toEqual([])
    if (!claim.by.startsWith('test/')) continue
    const text = readFileSync(join(root, claim.by), 'utf8')
    const readers = ["support/examples'", './documents', ...documents.map(({ path }) => path)]
    const reads = readers.some((name) => text.includes(name))
    expect({ by: claim.by, reads }).toEqual({ by: claim.by, reads: true })
  }
})

test('no fence is overlooked, and all TypeScript is among the examples that are compiled', () => {
  const fences = documents.flatMap(({ text }) => text.match(/^ *(?:```|~~~)/gm) ?? [])
  expect(fences).toHaveLength(2 * blocks.length)
  expect(examples.map(({ place }) => place)).toEqual(of('ts').map(({ place }) => place))
  expect(changes).toHaveLength(2 * of('diff').length)
})

test('every example for a shell can be read by one', () => {
  expect(of('sh').length).toBeGreaterThan(15)
  for (const { code, place } of of('sh')) {
    expect({ place, isPrompt: /^\$ /m.test(code) }).toMatchObject({ isPrompt: false })
    execFileSync('bash', ['-n'], { input: code })
  }
})

test('every script and every test that an example runs is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const run = of('sh').flatMap(({ code }) =>
    Array.from(code.matchAll(/npm run ([\w:-]+)|npm (test)\b/g), ([, name, test]) => name ?? test ?? ''),
  )
  expect(run.length).toBeGreaterThan(4)
  for (const name of run) expect(scripts).toHaveProperty([name])
  const tested = of('sh').flatMap(({ code }) => code.match(/\btest\/[\w/-]+/g) ?? [])
  expect(tested.length).toBeGreaterThan(4)
  for (const path of tested)
    expect({ path, isThere: [path, `${path}.test.ts`].some((each) => existsSync(join(root, each))) }).toEqual(
      {
        path,
        isThere: true,
      },
    )
})

test('every example in JSON can be read', () => {
  expect(of('json').length).toBeGreaterThan(1)
  for (const { code } of of('json')) expect(() => JSON.parse(code) as unknown).not.toThrow()
})

/** Lines that call the tool, without their comments; a line that ends in a backslash goes on. */
const calls = [...of('sh'), ...of('console')].flatMap(({ code, place }) =>
  Array.from(code.replace(/\\\n/g, ' ').matchAll(/\btypeorm-kms (.+)$/gm), ([, call = '']) => ({
    place,
    words: call
      .replace(/ #.*$| [|>].*$/, '')
      .trim()
      .split(/\s+/),
  })),
)

test('every call of the tool is of a command that there is, with flags that it takes', () => {
  expect(calls.length).toBeGreaterThan(30)
  const wrong = calls.filter(({ words }) => {
    const [first = '', second = ''] = words
    if (first.startsWith('-') || first === 'COMMAND') return false
    const command =
      commands.find(({ name }) => name === `${first} ${second}`) ??
      commands.find(({ name }) => name === first)
    if (!command) return true
    const flags = words.filter((word) => word.startsWith('-')).map((word) => word.replace(/=.*$/, ''))
    const shorts = Object.values(command.options).flatMap(({ short }) =>
      short === undefined ? [] : [`-${short}`],
    )
    const known = [...Object.keys(command.options), 'json', 'help'].map((name) => `--${name}`)
    return flags.some((flag) => ![...known, ...shorts, '-h'].includes(flag))
  })
  expect(wrong).toEqual([])
})
