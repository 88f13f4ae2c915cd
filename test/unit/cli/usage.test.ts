import { commands } from '../../../src/cli/commands'
import { tool } from './support'

describe('The exit status', () => {
  it.each([
    ['nothing', [], 2],
    ['an unknown command', ['nonsense'], 2],
    ['an unknown option', ['keys', 'list', '--nonsense'], 2],
    ['a missing argument', ['keys', 'describe'], 2],
    ['an argument too many', ['keys', 'list', 'x'], 2],
    ['a report without a file', ['report', '-d', 'ormconfig.ts'], 2],
    ['no ciphertext', ['inspect', 'bXkgc2VjcmV0'], 1],
    ['a family without a command', ['keys'], 2],
    ['an unknown command of a family', ['keys', 'nonsense'], 2],
    ['--help', ['--help'], 0],
    ['--help of a family', ['keys', '--help'], 0],
    ['--version', ['--version'], 0],
  ])('of %s', async (_, args, status) => {
    expect((await tool(args)).status).toBe(status)
  })
})

it.each(commands.map(({ name }) => name))(
  '%s explains itself with --help, and takes --json',
  async (name) => {
    const { status, stdout, stderr } = await tool([...name.split(' '), '--help'])
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Usage: typeorm-kms ${name}`)
    expect(stdout).toContain('--json')
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120)
  },
)

it('prints what was asked for on stdout: all commands, those of a family, its version', async () => {
  const [all, keys] = [await tool(['--help']), await tool(['keys', '--help'])]
  expect([all.stderr, keys.stderr]).toEqual(['', ''])
  for (const { name } of commands) {
    expect(all.stdout).toContain(`  ${name} `)
    expect(keys.stdout.includes(`  ${name} `)).toBe(name.startsWith('keys '))
  }
  expect((await tool(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/)
})

describe('With --json', () => {
  it.each<[string[], string]>([
    [['--json'], 'name a command'],
    [['nonsense', '--json'], 'there is no command "nonsense"'],
    [['keys', '--json'], 'keys wants a command, e.g. keys create'],
    [['keys', 'nonsense', '--json'], 'there is no command "keys nonsense"'],
    [['keys', 'describe', '--json'], 'KEY is missing'],
    [['--json', 'keys', 'list', 'x'], 'unexpected argument "x"'],
    [['keys', 'list', '--json', '--nonsense'], "Unknown option '--nonsense'"],
    [['keys', 'list', '--json', '--region'], "Option '--region <value>' argument missing"],
    [['doctor', '--json'], 'name the file that exports the DataSource: -d ormconfig.ts'],
    [['doctor', '--json', '-d', 'none.ts'], 'there is no file none.ts'],
    [['local-kms', '--json', '--port', 'x'], '--port takes a whole number from 0 to 65535'],
  ])('wrong usage is an error like others, on stdout and nothing else: %j', async (args, message) => {
    const { status, stdout, stderr } = await tool(args)
    expect(status).toBe(2)
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'USAGE', message } })
    expect(stderr).toContain(message)
  })

  it('an error has its code, and one that has none is FAILED', async () => {
    const malformed = await tool(['inspect', 'c101', '--json'])
    expect([malformed.status, JSON.parse(malformed.stdout)]).toMatchObject([
      1,
      { error: { code: 'CIPHERTEXT_MALFORMED' } },
    ])
    const { status, stdout } = await tool(['local-kms', '--json', '--file', __dirname])
    expect([status, JSON.parse(stdout)]).toMatchObject([1, { error: { code: 'FAILED' } }])
  })
})
