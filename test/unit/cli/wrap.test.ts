import { wrap } from '../../../src/cli/wrap'

describe('A long remark', () => {
  it.each([
    ['', 10, ['']],
    ['one two three', 80, ['one two three']],
    ['one two three', 7, ['one two', 'three']],
    ['one two three', 1, ['one', 'two', 'three']],
    [
      'Then run typeorm-kms encrypt -d a.ts --columns User.secret and wait.',
      20,
      ['Then run', 'typeorm-kms encrypt -d a.ts --columns User.secret', 'and wait.'],
    ],
    ['allowed under { table: user }', 28, ['allowed under { table:', 'user }']],
    ['allowed under { table: user }', 16, ['allowed under', '{ table: user }']],
    ['typeorm-kms keys enable alias/a enables it', 20, ['typeorm-kms keys enable alias/a', 'enables it']],
  ])('%j in %i characters', (text, room, lines) => {
    expect(wrap(text, room)).toEqual(lines)
  })

  it.each([
    ['typeorm-kms encrypt -d a.ts', 80, ['typeorm-kms encrypt -d a.ts']],
    [
      'Then typeorm-kms encrypt -d a.ts --columns User.secret fills it.',
      36,
      ['Then typeorm-kms encrypt -d a.ts \\', '--columns User.secret fills it.'],
    ],
    ['typeorm-kms encrypt -d a.ts --json', 22, ['typeorm-kms encrypt \\', '-d a.ts --json']],
    // Nothing can be done about a word.
    ['typeorm-kms encrypt', 10, ['typeorm-kms encrypt']],
  ])('%j in %i characters, folded as a shell takes it', (text, room, lines) => {
    expect(wrap(text, room, true)).toEqual(lines)
  })
})
