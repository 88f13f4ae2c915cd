import { encryptStringSync } from '@47ng/cloak'
import fc from 'fast-check'
import { EncryptionTransformer } from 'typeorm-encrypted'
import { prismaFieldEncryption, typeormEncrypted } from 'typeorm-kms-encrypted/formats'
import { Cipher } from '../../src/cipher/cipher'
import { fromBase64Bytes, parse, StoredKeyCiphertext } from '../../src/cipher/ciphertext'
import { HEADER_LENGTH, MAGIC, PREFIX_LENGTH } from '../../src/cipher/format'
import { Scope } from '../../src/cipher/scope'
import { StoredKeySeal } from '../../src/cipher/suites/stored-key/seal'
import { parseCiphertext } from '../../src/cli/commands/inspect/input'
import { UsageError } from '../../src/cli/command'
import { storedFromDriver } from '../../src/column/driver-value'
import { ForeignFormats, type ForeignFormat } from '../../src/column/foreign-format'
import { KmsException } from '../../src/local-kms/exception'
import { parseBlob, sealBlob } from '../../src/local-kms/ciphertext-blob'

import { KeyMaterial } from '../../src/local-kms/key-material'
import { tokenise } from '../../src/orm/statement/lexer'
import { ciphertextIn } from '../../src/orm/write/own-ciphertext'
import { VectorKms } from '../unit/cipher/vector-kms'
import { directs, envelopes, invalid, storedKeys, valid, type EnvelopeVector } from '../unit/cipher/vectors'
import { databases, type Database, languages, placesIn, readerOf } from '../unit/orm/statement/support'
import { must, type Target } from './target'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const all = [...valid, ...invalid, ...storedKeys.valid, ...storedKeys.invalid]
const ciphertexts = all.map(({ ciphertext }) => hex(ciphertext))
const anyKeys = 1e9

/** Ciphertexts as their parts say, with lengths that are right or nearly so. */
const shaped = fc
  .record({
    magic: fc.constantFrom(MAGIC, MAGIC, MAGIC, 0xc0, 1, 0x0a),
    version: fc.constantFrom(1, 1, 1, 0, 2),
    suite: fc.constantFrom(1, 2, 3, 4, 5, 0, 127, 128),
    tag: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    length: fc.constantFrom(0, 31, 32, 184, 200, 6_144, 6_145, 0xffff),
    rest: fc.uint8Array({ maxLength: 260 }),
  })
  .map(({ magic, version, suite, tag, length, rest }) =>
    Buffer.concat([Buffer.of(magic, version, suite, ...tag, length >> 8, length & 0xff), rest]),
  )

const structure =
  (arbitrary: fc.Arbitrary<Buffer>) =>
  (seed: number, count: number): Buffer[] =>
    fc.sample(arbitrary, { seed, numRuns: count })

const ciphertextTarget: Target = {
  name: 'ciphertext',
  seeds: ciphertexts,
  structure: structure(shaped),
  run(input) {
    const parsed = parse(input)
    must(parsed.bytes === input, 'other bytes')
    if (parsed.kind === 'malformed') return parsed.reason.replace(/\d+/g, 'n')
    if (parsed.kind !== 'ciphertext') return parsed.kind
    if (parsed.suite === 'envelope') {
      const { keyTag, encryptedDataKey, iv, valueLength } = parsed
      const length =
        PREFIX_LENGTH + keyTag.length + 2 + encryptedDataKey.length + iv.length + valueLength + 16
      must(length === input.length && valueLength >= 0, 'lengths that do not add up')
    } else if (parsed.suite === 'stored-key') {
      const { dataKeyId, salt, iv, sealed, valueLength } = parsed
      must(dataKeyId.length === 16 && salt.length === 8 && iv.length === 12, 'parts of other lengths')
      must(sealed.length === valueLength + 16 && valueLength >= 0, 'lengths that do not add up')
    } else {
      must(parsed.blob.length + HEADER_LENGTH === input.length, 'lengths that do not add up')
    }
    return parsed.suite
  },
}

const textTarget: Target = {
  name: 'base64 in a binary column',
  seeds: ciphertexts.map((bytes) => Buffer.from(bytes.toString('base64'))),
  structure: structure(shaped.map((bytes) => Buffer.from(bytes.toString('base64')))),
  run(input) {
    const bytes = fromBase64Bytes(input)
    if (!bytes) return 'none'
    must(bytes.toString('base64') === input.toString('latin1'), 'it is not the base64 of what it gives')
    return parse(bytes).kind
  },
}

/** The only input that may open is the one that was sealed. */
async function envelopeTarget(vector: EnvelopeVector): Promise<Target> {
  const cipher = new Cipher(new VectorKms(vector), { maxAge: anyKeys, maxValues: 1, maxKeys: 10 })
  const scope = new Scope(vector.context, vector.binding)
  const sealed = hex(vector.ciphertext)
  await cipher.decrypt(sealed, scope)
  return {
    name: 'value with its data key at hand',
    seeds: [sealed, ...ciphertexts.slice(0, 40)],
    run(input) {
      const opened = cipher.decryptNow(input, scope)
      if (!opened) return 'KMS is asked'
      must(input.equals(sealed), 'it opened an altered ciphertext')
      must(opened.toString('hex') === vector.plaintext, 'it opened to another value')
      return 'opened'
    },
  }
}

function storedKeyTarget(): Target {
  const [vector] = storedKeys.valid.filter(({ plaintext }) => plaintext.length > 20)
  if (!vector) throw new Error('no such vector')
  const scope = new Scope(vector.context, vector.binding)
  const sealed = hex(vector.ciphertext)
  return {
    name: 'value under a stored data key',
    seeds: [sealed, ...storedKeys.valid.map(({ ciphertext }) => hex(ciphertext))],
    run(input) {
      const parsed = parse(input)
      if (!(parsed instanceof StoredKeyCiphertext)) return 'of another suite'
      const opened = new StoredKeySeal(hex(vector.root), parsed.salt).open(parsed, scope)
      must(input.equals(sealed), 'it opened an altered ciphertext')
      must(opened.toString('hex') === vector.plaintext, 'it opened to another value')
      return 'opened'
    },
  }
}

const ownTarget: Target = {
  name: 'a value that is a ciphertext already',
  seeds: ciphertexts
    .slice(0, 30)
    .flatMap((bytes) => [
      bytes,
      Buffer.from(bytes.toString('base64')),
      Buffer.from(JSON.stringify(bytes.toString('base64'))),
      Buffer.from(`\\x${bytes.toString('hex')}`),
      Buffer.from(`0x${bytes.toString('hex')}`),
    ]),
  run(input) {
    const asBytes = ciphertextIn(input) !== undefined
    const asText = ciphertextIn(input.toString('latin1')) !== undefined
    must(!asBytes || asText || parse(input).kind === 'ciphertext', 'bytes that are no ciphertext')
    return `${asBytes} ${asText}`
  },
}

const driverTarget: Target = {
  name: 'what a driver delivers',
  seeds: ciphertexts
    .slice(0, 20)
    .flatMap((bytes) => [
      bytes,
      Buffer.from(JSON.stringify(bytes)),
      Buffer.from(`\\x${bytes.toString('hex')}`),
    ]),
  words: ['{"type":"Buffer","data":[', '"data":', 'null', '[]', '{}', '"', '1e999', '-1', 'true'],
  run(input) {
    const text = input.toString()
    const values: unknown[] = [input, text, jsonOf(text)]
    const deliveries = ['bytes', 'any storage class', 'text'] as const
    return values.map((value) => deliveries.map((each) => formOf(value, each)).join(' ')).join(', ')
  },
}

function formOf(value: unknown, delivery: 'bytes' | 'any storage class' | 'text'): string {
  if (value === null || value === undefined) return '-'
  try {
    return Buffer.isBuffer(storedFromDriver(value, delivery)) ? 'bytes' : 'text'
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'DRIVER_VALUE') return 'refused'
    throw error
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const pasted: Target = {
  name: 'what was pasted for inspect',
  seeds: ciphertexts
    .slice(0, 20)
    .flatMap((bytes) => [Buffer.from(bytes.toString('hex')), Buffer.from(bytes.toString('base64'))]),
  run(input) {
    try {
      return parse(parseCiphertext(input.toString())).kind
    } catch (error) {
      if (error instanceof UsageError) return 'refused'
      throw error
    }
  },
}

const material = new KeyMaterial({
  id: 'ab'.repeat(32),
  secret: Buffer.alloc(32, 9).toString('base64'),
  since: 0,
})
const context = Buffer.from('context')
const blob = sealBlob('1234abcd-12ab-34cd-56ef-1234567890ab', material, Buffer.from('value'), context)

const blobTarget: Target = {
  name: 'a blob of the embedded KMS',
  seeds: [blob, ...directs.map(({ ciphertextBlob }) => hex(ciphertextBlob))],
  run(input) {
    try {
      const opened = parseBlob(input).open(material, context)
      must(input.equals(blob) || opened.toString() === 'value', 'it opened to another value')
      return 'opened'
    } catch (error) {
      if (error instanceof KmsException) return error.name
      throw error
    }
  },
}

const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
const CLOAK = `k1.aesgcm256.${Buffer.alloc(32, 7).toString('base64url')}=`
const PLAINTEXT = 'the plaintext'

function formatTarget(name: string, format: ForeignFormat, stored: string): Target {
  const formats = new ForeignFormats([format])
  const sealed = Buffer.from(stored)
  return {
    name: `a value of ${name}`,
    seeds: [sealed, Buffer.from('plaintext'), ...ciphertexts.slice(0, 5)],
    words: ['v1.', 'aesgcm256', '.', '{"encrypted":"', '"}', '==', '='],
    run(input) {
      const opened = formats.open(input, false)
      if (!opened) return 'of another format'
      must(opened.toString() === PLAINTEXT, 'it opened to another value')
      return 'opened'
    },
  }
}

const STATEMENTS = [
  'SELECT u.id, u.secret FROM usr u WHERE u.name = ? AND u.secret IS NOT NULL ORDER BY u.id LIMIT 1',
  'SELECT COUNT(u.secret), MAX(u.score) FROM usr u JOIN plain p ON p.usr = u.id WHERE u.secret = ?',
  'INSERT INTO usr(id, name, secret) VALUES (?, ?, ?), (?, DEFAULT, ?)',
  'UPDATE usr SET secret = ?, score = score + 1 WHERE id IN (?, ?)',
  'DELETE FROM member WHERE id NOT IN (SELECT x.id FROM usr x WHERE x.secret = ?)',
  'WITH t AS (SELECT secret AS s FROM usr) SELECT s FROM t WHERE s = ?',
  "SELECT CASE WHEN u.secret = 'x' THEN 1 ELSE 0 END FROM usr u -- end",
  'SELECT DISTINCT u.secret FROM usr u GROUP BY u.secret HAVING COUNT(*) > 1 /* end */',
]

const WORDS =
  `SELECT FROM usr u u.secret secret "secret" WHERE = ? $1 ( ) , . * AND OR NOT IS NULL IN 'text' 'a''b' ORDER BY GROUP HAVING
  COUNT( CASE WHEN THEN ELSE END INSERT INTO VALUES UPDATE SET DELETE JOIN ON LEFT UNION ALL WITH AS DISTINCT -- /* */ /*!
  # $$ $a$ E' U&" [ ] :: @x := || <= 1.5e3 x'00' RETURNING LIMIT INTERVAL EXISTS ; \\ \` excluded. BETWEEN OVER LATERAL`
    .split(/\s+/)
    .map((word) => ` ${word} `)

function statementTarget(database: Database): Target {
  const reader = readerOf(database)
  return {
    name: `a statement of ${database}`,
    seeds: STATEMENTS.map((text) => Buffer.from(text)),
    words: WORDS,
    run(input) {
      const text = input.toString()
      for (const rules of languages[database].readings(text)) {
        const tokens = tokenise(text, rules)
        let end = 0
        for (let index = 0; index < tokens.length; index++) {
          must(tokens.start(index) >= end && tokens.end(index) > tokens.start(index), 'tokens that overlap')
          end = tokens.end(index)
        }
        must(end <= text.length, 'a token beyond the end')
      }
      const [statement] = reader.read(text)
      if (statement.unreadable !== undefined)
        return `unreadable: ${statement.unreadable.replace(/\d+/g, 'n')}`
      for (const { start, end } of statement.uses) must(start <= end && end <= text.length, 'a place beyond')
      const places = new Set(statement.uses.map((use) => use.place))
      const [place = 'nothing', ...others] = places
      const label = `${statement.kind}: ${others.length > 0 ? 'several places' : place}`
      // MySQL's driver takes two question marks together for one placeholder.
      if (!text.includes('??')) {
        const [commented] = reader.read(withComments(text, database))
        const same =
          commented.unreadable !== undefined || placesIn(commented).join() === placesIn(statement).join()
        must(same, 'comments between its tokens change what it says')
      }
      return label
    },
  }
}

function withComments(text: string, database: Database): string {
  // Of several readings, that which can be read.
  const tokens = languages[database]
    .readings(text)
    .map((rules) => tokenise(text, rules))
    .find(({ error }) => error === undefined)
  if (!tokens) return text
  return Array.from({ length: tokens.length }, (_, index) =>
    text.slice(tokens.start(index), tokens.end(index)),
  ).join(' /* secret */ ')
}

/** Everything of the library that takes bytes or text which somebody else wrote. */
export async function makeTargets(): Promise<Target[]> {
  const [vector] = envelopes.filter(({ plaintext }) => plaintext.length > 20)
  if (!vector) throw new Error('no such vector')
  const gcm = { key: KEY, algorithm: 'aes-256-gcm', ivLength: 12 }
  return [
    ciphertextTarget,
    textTarget,
    await envelopeTarget(vector),
    storedKeyTarget(),
    ownTarget,
    driverTarget,
    pasted,
    blobTarget,
    formatTarget(
      'typeorm-encrypted',
      typeormEncrypted(gcm),
      new EncryptionTransformer({ ...gcm, iv: '000102030405060708090a0b' }).to(PLAINTEXT) as string,
    ),
    formatTarget(
      'prisma-field-encryption',
      prismaFieldEncryption({ keys: [CLOAK] }),
      encryptStringSync(PLAINTEXT, CLOAK),
    ),
    ...databases.map(statementTarget),
  ]
}
