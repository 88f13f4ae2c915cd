import { Script } from 'node:vm'
import { commands } from '../../../src/cli/commands'
import { documents } from './documents'

/** Each code block of the documents, with where it stands. TypeScript is compiled by test/processes/examples.test.ts. */
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

test('every block says what it is in, if it is in a language', () => {
  const known = ['', 'ts', 'sh', 'console', 'json', 'js', 'sql', 'py', 'python', 'hcl', 'diff', 'text']
  expect(blocks.length).toBeGreaterThan(80)
  expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([])
})

test('every example in JSON can be read', () => {
  expect(of('json').length).toBeGreaterThan(1)
  for (const { code } of of('json')) expect(() => JSON.parse(code) as unknown).not.toThrow()
})

test('every example in JavaScript can be read', () => {
  for (const { code, place } of of('js')) {
    if (/^(import|export) /m.test(code)) continue
    expect(() => new Script(code, { filename: place })).not.toThrow()
  }
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
