import { Readable, Writable } from 'node:stream'
import { Progress } from '../../../src/cli/progress'
import { Terminal } from '../../../src/cli/terminal'

const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'

/** A terminal this wide, and what is on it; without `columns` it is none. */
function terminal(columns?: number) {
  const lines: string[] = []
  const stream = () =>
    Object.assign(
      new Writable({
        write(chunk: Buffer, _, done) {
          lines.push(chunk.toString())
          done()
        },
      }),
      { isTTY: columns !== undefined, ...(columns === undefined ? {} : { columns }) },
    )
  const stdin = Object.assign(Readable.from([]), { isTTY: columns !== undefined })
  const made = new Terminal({ stdin, stdout: stream(), stderr: stream(), env: { NO_COLOR: '1' } }, false)
  return { terminal: made, shown: () => lines.join('') }
}

describe('Fields', () => {
  test('go on below their name where a word has no room beside it', () => {
    const { terminal: narrow, shown } = terminal(80)
    narrow.fields([
      ['managed by', 'CUSTOMER'],
      ['ARN', ARN],
      ['description', 'words '.repeat(20).trim()],
    ])
    expect(shown().split('\n').slice(0, 3)).toEqual(['  managed by   CUSTOMER', '  ARN', `  ${ARN}`])
    expect(
      Math.max(
        ...shown()
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80)
    expect(shown().match(/words/g)).toHaveLength(20)
  })

  test('stay in one line without a terminal', () => {
    const { terminal: piped, shown } = terminal()
    piped.fields([
      ['ARN', ARN],
      ['description', 'words '.repeat(20).trim()],
    ])
    expect(shown().trimEnd().split('\n')).toHaveLength(2)
  })
})

describe('A table', () => {
  const header = ['column', 'rows']
  const rows = [
    ['User.privateKey', '1,000,000'],
    ['User.pin', '7'],
  ]

  test('has its numbers one below the other', () => {
    const { terminal: wide, shown } = terminal(80)
    wide.table(header, rows)
    const ends = shown()
      .trimEnd()
      .split('\n')
      .map((line) => line.length)
    expect(new Set(ends).size).toBe(1)
  })

  test('is known not to have room', () => {
    expect(terminal(26).terminal.hasRoomFor(header, rows)).toBe(true)
    expect(terminal(25).terminal.hasRoomFor(header, rows)).toBe(false)
    expect(terminal().terminal.hasRoomFor(header, rows)).toBe(true)
  })
})

test('A failure is broken between words on a terminal, and in one piece elsewhere', () => {
  const sentence = 'a failure with many words '.repeat(5).trim()
  const [narrow, piped] = [terminal(40), terminal()]
  narrow.terminal.noteSentence('✗ ', sentence)
  piped.terminal.noteSentence('✗ ', sentence)
  expect(
    Math.max(
      ...narrow
        .shown()
        .split('\n')
        .map((line) => line.length),
    ),
  ).toBeLessThanOrEqual(40)
  expect(narrow.shown().replace(/\n +/g, ' ').trim()).toBe(`✗ ${sentence}`)
  expect(piped.shown()).toBe(`✗ ${sentence}\n`)
})

test.each([
  [120, /^█+░+ User\.privateKey: 1,234,567 of 20,000,000 rows \(6 %\), .* rows\/s, .* left$/],
  [80, /^User\.privateKey: 1,234,567 of 20,000,000 rows \(6 %\), .* left$/],
  [60, /^User\.privateKey: 1,234,567 of 20,000,000 rows, 6 %$/],
  [40, /^6 %, .* left$/],
])('Progress at %i columns says what there is room for', (columns, expected) => {
  jest.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValueOnce(1_000)
  const { terminal: shownOn, shown } = terminal(columns)
  new Progress(shownOn).update({
    entity: 'User',
    property: 'privateKey',
    rows: 1_234_567,
    total: 20_000_000,
    changed: 1_000_000,
    elapsed: 100_000,
  })
  jest.restoreAllMocks()
  const line = shown().replace('\r', '').replace('\u001b[K', '')
  expect(line).toMatch(expected)
  expect(line.length).toBeLessThan(columns)
})
