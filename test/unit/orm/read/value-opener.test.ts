import { deny } from '../../../../src/access'
import { Scheme } from '../../../../src/column/scheme'
import { KmsUnavailableError } from '../../../../src/errors'
import { canLookLikeCiphertext, seemsToOpen } from '../../../../src/orm/read/value-opener'
import { type Scopes } from '../../../../src/orm/recipe'
import { arnOf, MemoryKms } from '../../cipher/memory-kms'
import { closeCiphers, columnOf, freshCipher, scopeOf, stored } from './support'

afterAll(closeCiphers)

/** A column, and the same in a process that has no data key yet. */
function twice(options: Parameters<typeof columnOf>[0] = {}) {
  const kms = options.kms ?? new MemoryKms()
  return { kms, writer: columnOf({ ...options, kms }), reader: columnOf({ ...options, kms }) }
}

const text = (plaintext: Uint8Array | undefined): string | undefined => plaintext && String(plaintext)
const altered = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes)
  other.writeUInt8((other.at(-1) ?? 0) ^ 1, other.length - 1)
  return other
}

describe('The bytes behind a stored value', () => {
  const { opener } = columnOf()

  test('are those of base64, in a text and in bytes that hold the text', async () => {
    const ciphertext = await stored(columnOf(), 'x')
    const base64 = ciphertext.toString('base64')
    expect(opener.bytesOf(base64)).toEqual(ciphertext)
    expect(opener.bytesOf(Buffer.from(base64))).toEqual(ciphertext)
    expect(opener.bytesOf(ciphertext)).toBe(ciphertext)
  })

  test.each(['plain text', 'QUJD=', 'QUI', ''])('are those of %j, which is no base64', (value) => {
    expect(opener.bytesOf(value)).toEqual(Buffer.from(value))
  })
})

describe('A value', () => {
  test('opens at once with a data key at hand, and otherwise after one call', async () => {
    const { kms, writer, reader } = twice()
    const bytes = await stored(writer, 'value')
    const { scopes } = writer.recipe
    expect(text(writer.opener.openNow(bytes, scopes))).toBe('value')
    expect(writer.opener.isAtHand(bytes, scopes)).toBe(true)
    expect(writer.opener.needsKms(bytes, scopes)).toBe(false)
    expect(reader.opener.openNow(bytes, scopes)).toBeUndefined()
    expect(reader.opener.isAtHand(bytes, scopes)).toBe(false)
    expect(reader.opener.needsKms(bytes, scopes)).toBe(true)
    expect(kms.count('decrypt')).toBe(0)
    expect(text(await reader.opener.open(bytes, scopes))).toBe('value')
    expect(text(reader.opener.openNow(bytes, scopes))).toBe('value')
    expect(kms.count('decrypt')).toBe(1)
    // Another data key is not at hand because one is.
    const other = await stored(columnOf({ kms }), 'other')
    expect(reader.opener.isAtHand(other, scopes)).toBe(false)
    expect(reader.opener.isAtHand(bytes.toString('base64'), scopes)).toBe(true)
  })

  test('needs KMS if one of its scopes may', async () => {
    const { writer, reader } = twice({ previous: ['before'] })
    const bytes = await stored(writer, 'value')
    const [now] = writer.recipe.scopes
    // Under the current context it is at hand, and under the earlier one it is not.
    expect(writer.opener.needsKms(bytes, [now])).toBe(false)
    expect(writer.opener.needsKms(bytes, writer.recipe.scopes)).toBe(true)
    expect(reader.opener.needsKms(bytes, writer.recipe.scopes)).toBe(true)
    expect(reader.opener.needsKms(Buffer.from('plaintext'), writer.recipe.scopes)).toBe(false)
  })

  test('that fails without KMS is at hand', () => {
    const { opener, recipe } = columnOf()
    expect(opener.isAtHand('no ciphertext', recipe.scopes)).toBe(true)
  })

  test('of an earlier setting opens under it, and names the scope that opened it', async () => {
    const { kms, writer, reader } = twice({ previous: ['before', 'once'] })
    const bytes = await stored(writer, 'old', { of: 'once' })
    const { scopes } = reader.recipe
    const { plaintext, scope } = await reader.opener.openWithScope(bytes, scopes)
    expect([text(plaintext), scope]).toEqual(['old', scopes[2]])
    expect(kms.count('decrypt')).toBe(3)
    expect(text(reader.opener.openNow(bytes, scopes))).toBe('old')
    expect(text(await reader.opener.open(bytes, scopes))).toBe('old')
  })

  test('that no setting opens fails with what the current one says', async () => {
    const { writer, reader } = twice({ previous: ['before'] })
    const bytes = await stored(writer, 'foreign', { of: 'elsewhere' })
    await expect(reader.opener.open(bytes, reader.recipe.scopes)).rejects.toMatchObject({
      code: 'CIPHERTEXT_WRONG_CONTEXT',
    })
    // With both data keys at hand neither opens it, and only KMS can tell why.
    const own = await stored(writer, 'value')
    await stored(writer, 'value', { of: 'before' })
    expect(writer.opener.openNow(altered(own), writer.recipe.scopes)).toBeUndefined()
    await expect(writer.opener.open(altered(own), writer.recipe.scopes)).rejects.toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
    })
  })

  test('is not tried under other settings when KMS is in trouble', async () => {
    const { kms, writer, reader } = twice({ previous: ['before'] })
    const bytes = await stored(writer, 'value')
    kms.beforeAnswer = () => {
      throw new KmsUnavailableError('down')
    }
    await expect(reader.opener.open(bytes, reader.recipe.scopes)).rejects.toMatchObject({
      code: 'KMS_UNAVAILABLE',
    })
    expect(kms.count('decrypt')).toBe(1)
  })

  test('that was altered fails at once', async () => {
    const column = columnOf()
    const bytes = altered(await stored(column, 'value'))
    expect(() => column.opener.openNow(bytes, column.recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'CIPHERTEXT_TAMPERED' }) as Error,
    )
  })

  test('that only looks like an earlier one fails for what it is', () => {
    const { opener, recipe } = columnOf({ previous: ['before'] })
    expect(() => opener.openNow('no ciphertext', recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'PLAINTEXT_FOUND' }) as Error,
    )
  })

  test.each([[{}], [{ acceptPlaintext: true }]])('is not opened inside of deny(): %j', async (more) => {
    const column = columnOf({ options: { type: 'string', ...more } })
    const bytes = await stored(column, 'value')
    for (const value of [bytes, 'plaintext']) {
      expect(() => deny(() => column.opener.openNow(value, column.recipe.scopes))).toThrow(
        expect.objectContaining({ code: 'DECRYPTION_DENIED' }) as Error,
      )
    }
  })

  test('is counted once, with its row', async () => {
    const column = columnOf()
    const bytes = await stored(column, 'value')
    column.opener.openNow(bytes, column.recipe.scopes)
    expect(column.cipher.counts.decrypted).toBe(1)
  })
})

describe('The data key at hand', () => {
  test('is that which was used last under the current context', async () => {
    const column = columnOf({ previous: ['before'] })
    const { opener, recipe } = column
    expect(opener.dataKeyAtHand(recipe.scopes)).toBeUndefined()
    expect(opener.keyAtHand(recipe.scopes)).toBeUndefined()
    const [bytes, old] = [await stored(column, 'value'), await stored(column, 'old', { of: 'before' })]
    opener.openNow(bytes, recipe.scopes)
    const key = opener.keyAtHand(recipe.scopes)
    expect(opener.dataKeyAtHand(recipe.scopes)).toBe(key)
    if (!key) throw new Error('there is one')
    expect([bytes, bytes.toString('base64'), old, 'text'].map((value) => seemsToOpen(key, value))).toEqual([
      true,
      true,
      false,
      false,
    ])
    const earlier: Scopes = [scopeOf('before')]
    opener.openNow(old, earlier)
    expect(opener.dataKeyAtHand(earlier)?.seemsToOpen(old)).toBe(true)
  })
})

describe('Plaintext', () => {
  const accepting = columnOf({ options: { type: 'string', acceptPlaintext: true } })
  const refusing = columnOf()
  const bytes = columnOf({ options: { type: 'buffer', acceptPlaintext: true } })

  test('is read as it is where the column accepts it, and refused elsewhere', () => {
    const opened = accepting.opener.openNow('plain', accepting.recipe.scopes)
    expect(text(opened)).toBe('plain')
    expect(() => refusing.opener.openNow('plain', refusing.recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'PLAINTEXT_FOUND' }) as Error,
    )
  })

  test('is a copy of what the driver gave', () => {
    const value = Buffer.from('plain')
    const opened = bytes.opener.openNow(value, bytes.recipe.scopes)
    opened?.fill(0)
    expect(value.toString()).toBe('plain')
  })

  test('is no ciphertext, whether or not it opens', async () => {
    const ciphertext = await stored(accepting, 'value')
    const { opener } = accepting
    expect(opener.isReadAsItIs('plain')).toBe(true)
    expect(opener.isReadAsItIs(ciphertext)).toBe(false)
    expect(opener.isReadAsItIs(altered(ciphertext))).toBe(false)
    expect(refusing.opener.isReadAsItIs('plain')).toBe(false)
  })

  // 0xC1 occurs in no UTF-8: where texts are stored, a damaged ciphertext is no text.
  test('can begin like a ciphertext only where it is bytes, or base64', () => {
    const cut = Buffer.from([0xc1, 0x01, 0x01])
    expect(bytes.opener.isPlaintext(cut, cut)).toBe(true)
    expect(accepting.opener.isPlaintext(cut, cut)).toBe(false)
    const base64 = cut.toString('base64')
    expect(accepting.opener.isPlaintext(base64, accepting.opener.bytesOf(base64))).toBe(true)
    const [ofBytes, ofText] = [new Scheme({ type: 'buffer' }, {}), new Scheme({ type: 'string' }, {})]
    expect(canLookLikeCiphertext(ofBytes, cut, cut)).toBe(true)
    expect(canLookLikeCiphertext(ofText, cut, cut)).toBe(false)
    expect(canLookLikeCiphertext(ofText, base64, cut)).toBe(true)
  })

  test('of a newer release is none', () => {
    const newer = Buffer.concat([Buffer.from([0xc1, 0x01, 0x7f]), Buffer.alloc(60)])
    expect(bytes.opener.isPlaintext(newer, newer)).toBe(false)
  })
})

describe('A CiphertextBlob of another program', () => {
  const blob = (kms: MemoryKms): Buffer => kms.blobOf(Buffer.from('theirs'), {}, arnOf('alias/one'))

  test('is refused where values are envelopes, with what to set', () => {
    const kms = new MemoryKms()
    const { opener, recipe, cipher } = columnOf({ kms })
    expect(() => opener.openNow(blob(kms), recipe.scopes)).toThrow(/mode: 'direct'/)
    expect(kms.count('decrypt')).toBe(0)
    expect(opener.takesBareBlobs).toBe(false)
    cipher.close()
  })

  test.each([
    { mode: 'direct' as const },
    { options: { type: 'string' as const, previous: [{ mode: 'direct' as const }] } },
  ])('is left to KMS in mode direct, now or before: %j', (options) => {
    const kms = new MemoryKms()
    const column = columnOf({ ...options, kms })
    expect(column.opener.takesBareBlobs).toBe(true)
    expect(column.opener.openNow(blob(kms), column.recipe.scopes)).toBeUndefined()
    expect(column.opener.needsKms(blob(kms), column.recipe.scopes)).toBe(true)
  })
})

describe('A value of another format', () => {
  const theirs = (value: Buffer): string | undefined => {
    if (value.toString().startsWith('broken:')) throw new Error('broken')
    return value.toString().startsWith('theirs:') ? value.toString().slice(7) : undefined
  }
  const column = columnOf({ options: { type: 'string', acceptFormats: [theirs] } })
  const both = columnOf({ options: { type: 'string', acceptFormats: [theirs], acceptPlaintext: true } })
  const { opener, recipe } = column

  test('is opened by it', () => {
    expect(text(opener.openNow('theirs:value', recipe.scopes))).toBe('value')
    expect(text(opener.openForeign('theirs:value', Buffer.from('theirs:value')))).toBe('value')
    expect(columnOf().opener.openForeign('theirs:value', Buffer.from('theirs:value'))).toBeUndefined()
  })

  test('is refused if it is of none of them, and seems to be plaintext', () => {
    expect(() => opener.openNow('plain', recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'FOREIGN_FORMAT' }) as Error,
    )
    expect(() => opener.openNow('broken:', recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'FOREIGN_FORMAT' }) as Error,
    )
  })

  test('is not read as it is; plaintext beside it is, where the column accepts both', () => {
    const readAsIs = ['theirs:value', 'plain', 'broken:'].map((value) => both.opener.isReadAsItIs(value))
    expect(readAsIs).toEqual([false, true, false])
  })

  test('is none where it begins like a ciphertext', () => {
    const cut = Buffer.from([0xc1, 0x01, 0x01])
    expect(() => opener.openNow(cut, recipe.scopes)).toThrow(
      expect.objectContaining({ code: 'CIPHERTEXT_MALFORMED' }) as Error,
    )
  })

  test('is not what only seems to be one: a format that opens anything does not open ours', async () => {
    const anything = Object.assign(() => 'anything', { isAuthenticated: false })
    const guessing = columnOf({ options: { type: 'string', acceptFormats: [anything] } })
    const ours = await stored(guessing, 'ours')
    expect(text(guessing.opener.openNow(ours, guessing.recipe.scopes))).toBe('ours')
    expect(guessing.opener.openForeign(ours, ours)).toBeUndefined()
    expect(text(guessing.opener.openForeign('theirs', Buffer.from('theirs')))).toBe('anything')
  })

  test('a ciphertext of ours stays one', async () => {
    expect(text(opener.openNow(await stored(column, 'ours'), recipe.scopes))).toBe('ours')
  })
})

test('with another cipher nothing is at hand', async () => {
  const kms = new MemoryKms()
  const bytes = await stored(columnOf({ kms }), 'value')
  expect(columnOf({ kms, cipher: freshCipher(kms) }).opener.isAtHand(bytes, [scopeOf()])).toBe(false)
})
