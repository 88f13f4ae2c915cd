import { keyTag } from '../../../src/cipher/format'
import { type StoredDataKey } from '../../../src/cipher/data-keys/store'
import { type ColumnContents } from '../../../src/migration/column-contents'
import { type NamedDataKey } from '../../../src/migration/data-keys/named-data-keys'
import { statusOf } from '../../../src/migration/status'
import { type ValueStart } from '../../../src/migration/value-starts'
import { columnWith } from './support'

const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1'
const OTHER = 'arn:aws:kms:eu-central-1:111122223333:key/2'
const TAG = keyTag(ARN).toString('hex')
const UNKNOWN = '00000001'
const id = (byte: string): string => byte.repeat(16)

const start = (header: string, rows: number, more: Partial<ValueStart> = {}): ValueStart => ({
  kind: 'ciphertext',
  header: Buffer.from(header, 'hex'),
  text: false,
  outlined: true,
  rows,
  ...more,
})
const plain = (kind: ValueStart['kind'], rows: number): ValueStart =>
  start('', rows, { kind, outlined: false })

const dataKeys = new Map<string, NamedDataKey>([
  [id('01'), { state: 'there', row: { keyReference: ARN } as StoredDataKey }],
  [id('02'), { state: 'there', row: { keyReference: ARN } as StoredDataKey }],
  [id('03'), { state: 'there', row: { keyReference: OTHER } as StoredDataKey }],
  [id('04'), { state: 'forgotten', row: { keyReference: ARN } as StoredDataKey }],
])

interface Given {
  type?: string
  storage?: string
  keys?: string[]
  keyId?: string
  history?: ValueStart[]
}

function status(current: ValueStart[], { type = 'string', storage, keys = [], keyId, history }: Given = {}) {
  const column = columnWith({ recipes: { keyId }, scheme: { type: { name: type }, options: { storage } } })
  const contents = { layout: { type: 'blob' }, current, history, hiddenBy: 'policy', indexes: [] }
  return statusOf(column, contents as unknown as ColumnContents, keys, dataKeys)
}

const NONE = {
  rows: 0,
  null: 0,
  plaintext: 0,
  bare: 0,
  otherStorage: 0,
  forgotten: 0,
  missing: 0,
  unknown: 0,
  ciphertext: [],
}

describe('the status of a column', () => {
  it('names its place, and what hides rows', () => {
    expect(status([])).toEqual({
      entity: 'User',
      property: 'secret',
      table: 'user',
      column: 'secret',
      type: 'blob',
      ...NONE,
      hiddenBy: 'policy',
      history: undefined,
      indexes: [],
    })
  })

  it('adds up what is no ciphertext', () => {
    const starts = [plain('null', 1), plain('other', 2), plain('bare', 4), plain('other', 8)]
    expect(status(starts)).toMatchObject({ ...NONE, rows: 15, null: 1, plaintext: 10, bare: 4 })
    expect(status([plain('null', 1)], { history: starts })).toMatchObject({
      rows: 1,
      plaintext: 0,
      history: { ...NONE, rows: 15, null: 1, plaintext: 10, bare: 4 },
    })
  })

  it('counts ciphertexts by mode and KMS key, the most frequent first, and names the keys that are known', () => {
    const starts = [
      start(`c10101${UNKNOWN}`, 1),
      start(`c10101${TAG}`, 2),
      start(`c10102${TAG}`, 5),
      start(`c10103${TAG}`, 4, { outlined: false }),
      start(`c10101${TAG}`, 1, { outlined: false }),
    ]
    const common = { version: 1, dataKeys: undefined }
    const ciphertext = [
      { ...common, mode: 'direct', keyTag: TAG, keyArn: ARN, rows: 9 },
      { ...common, mode: 'envelope', keyTag: TAG, keyArn: ARN, rows: 3 },
      { ...common, mode: 'envelope', keyTag: UNKNOWN, keyArn: undefined, rows: 1 },
    ]
    const expected = { ...NONE, rows: 13, ciphertext }
    expect(status(starts, { keys: [ARN] })).toMatchObject(expected)
    expect(status(starts, { keyId: ARN })).toMatchObject(expected)
    expect(status(starts, { keys: [OTHER] }).ciphertext.map(({ keyArn }) => keyArn)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('counts the data keys that values name, by the KMS key of the key table', () => {
    const starts = ['01', '02', '03', '04', '05'].map((byte, at) => start(`c10104${id(byte)}`, 10 ** at))
    expect(status(starts)).toMatchObject({
      ...NONE,
      rows: 11_111,
      forgotten: 1_000,
      missing: 10_000,
      ciphertext: [
        { mode: 'stored', keyTag: undefined, keyArn: OTHER, dataKeys: 1, rows: 100 },
        { mode: 'stored', keyTag: undefined, keyArn: ARN, dataKeys: 2, rows: 11 },
      ],
    })
  })

  it('counts what is base64 against the storage of the column, and the other way round', () => {
    const starts = [
      start(`c10101${TAG}`, 1),
      start(`c10101${TAG}`, 2, { text: true }),
      start(`c10104${id('01')}`, 4),
      start(`c10104${id('01')}`, 8, { text: true }),
      plain('other', 16),
    ]
    expect(status(starts).otherStorage).toBe(10)
    expect(status(starts, { storage: 'text' }).otherStorage).toBe(5)
    expect(status(starts, { storage: 'binary' }).otherStorage).toBe(10)
  })

  it.each<[string, ValueStart, Given, expected: object]>([
    ['of no suite that is known', start(`c10105${TAG}`, 1), {}, { unknown: 1 }],
    ['of no version that is known', start(`c10201${TAG}`, 1), {}, { unknown: 1 }],
    ['cut off', start('c10101', 1), {}, { unknown: 1 }],
    ['cut off before the id of its data key', start('c10104aabb', 1), {}, { unknown: 1 }],
    ['of no suite, in a column of bytes', start(`c10105${TAG}`, 1), { type: 'buffer' }, { plaintext: 1 }],
    ['of no suite, in base64', start(`c10105${TAG}`, 1, { text: true }), {}, { plaintext: 1 }],
    ['without outline', start(`c10101${UNKNOWN}`, 1, { outlined: false }), {}, { ciphertext: [{ rows: 1 }] }],
    [
      'without outline, in a column of bytes',
      start(`c10101${UNKNOWN}`, 1, { outlined: false }),
      { type: 'buffer' },
      { plaintext: 1 },
    ],
    [
      'without outline, in base64',
      start(`c10101${UNKNOWN}`, 1, { outlined: false, text: true }),
      {},
      { plaintext: 1 },
    ],
    [
      'with outline, in a column of bytes',
      start(`c10101${UNKNOWN}`, 1),
      { type: 'buffer' },
      { ciphertext: [{ rows: 1 }] },
    ],
    [
      'without outline, under a key that is known, in a column of bytes',
      start(`c10101${TAG}`, 1, { outlined: false }),
      { type: 'buffer', keys: [ARN] },
      { ciphertext: [{ rows: 1 }] },
    ],
  ])('tells what it is that begins like a ciphertext: %s', (_, value, given, expected) => {
    expect(status([value], given)).toMatchObject({ ...NONE, rows: 1, ...expected })
  })
})
