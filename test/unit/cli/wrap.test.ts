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
    ['typeorm-kms keys enable alias/a enables it', 20, ['typeorm-kms keys enable alias/a', 'enables it']],
  ])('%j in %i characters', (text, room, lines) => {
    expect(wrap(text, room)).toEqual(lines)
  })
})
