import { commands } from '../../../src/cli/commands'
import { tool } from './support'

describe('The exit status', () => {
  it.each([
    ['nothing', [], 2],
    ['an unknown command', ['nonsense'], 2],
    ['an unknown option', ['keys', 'list', '--nonsense'], 2],
    ['a missing argument', ['keys', 'describe'], 2],
    ['an argument too many', ['keys', 'list', 'x'], 2],
    ['no ciphertext', ['inspect', 'bXkgc2VjcmV0'], 1],
    ['--help', ['--help'], 0],
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

it('prints an error as JSON with --json', async () => {
  const { stdout } = await tool(['inspect', 'c101', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'CIPHERTEXT_MALFORMED' } })
})
