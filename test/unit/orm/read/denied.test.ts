import { deny } from '../../../../src/access'
import { asPlaintext } from '../../../../src/cipher/bytes'
import { Scheme } from '../../../../src/column/scheme'
import { DecryptionLimitError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { type EncryptedColumn } from '../../../../src/orm/encrypted-column'
import { Hydration } from '../../../../src/orm/read/hydration'
import { OpenedResult, OpenedResults } from '../../../../src/orm/read/opened-results'
import { type Opening, openTogether } from '../../../../src/orm/read/opening'
import { SealedValue } from '../../../../src/orm/sealed-value'

const scheme = new Scheme({ type: 'string' }, {})
const column = {
  cell: 'user.secret',
  scheme,
  storedOf: (value: unknown) => value,
  placed: (error: unknown) => error,
} as unknown as EncryptedColumn

it('a denied request takes no equal text that another one opened', () => {
  const results = new OpenedResults()
  const opened = new OpenedResult()
  opened.set('user.secret', 'text', {
    scheme,
    recipe: undefined,
    opened: asPlaintext(Buffer.from('of another request')),
  })
  results.add(opened)
  const hydration = new Hydration(column, results)
  expect(hydration.from('text')).toBe('of another request')
  const denied = deny(() => hydration.from('text'))
  expect(SealedValue.of(denied)?.failure).toMatchObject({ code: 'DECRYPTION_DENIED' })
})

it.each(['at once', 'by KMS'])('a limit that is reached ends the read and is not kept (%s)', async (when) => {
  const limit = new DecryptionLimitError('more than 1 value')
  const openNow = (): undefined => {
    if (when === 'at once') throw limit
  }
  const value = {
    column: {
      opener: { openNow },
      cipher: { openAll: () => Promise.resolve([limit]) },
    } as unknown as BoundColumn,
    recipe: { scopes: [] },
    stored: 'text',
    bytes: Buffer.from('text'),
    opened: undefined,
  } as unknown as Opening
  await expect((async () => openTogether([value]))()).rejects.toBe(limit)
  expect(value.opened).toBeUndefined()
})
