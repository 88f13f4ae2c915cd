import { firstBits, joinedValues } from '../../../src/cipher/blind-index'

test.each<[number, string]>([
  [1, '80'],
  [7, 'fe'],
  [8, 'ff'],
  [12, 'fff0'],
  [16, 'ffff'],
  [120, 'ff'.repeat(15)],
])('the first %d bits stand in as few bytes as hold them, the rest of which is 0', (bits, expected) => {
  expect(firstBits(Buffer.alloc(16, 0xff), bits).toString('hex')).toBe(expected)
})

test('values that are joined are told apart, wherever one ends', () => {
  expect(joinedValues(['ab', Buffer.from('c')]).toString('hex')).toBe('00000002' + '6162' + '00000001' + '63')
  expect(joinedValues(['a', 'bc'])).not.toEqual(joinedValues(['ab', 'c']))
  expect(joinedValues(['é']).toString('hex')).toBe('00000002c3a9')
})
