import fc from 'fast-check'
import { type AccountShape, type NoteShape } from './entities'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', ' ', 'wQEB', '\ufffd', 'null', '🔑'.repeat(60)),
)
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array))
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.array(fc.integer(), { maxLength: 4 }),
  fc.constantFrom({}, [], '', 0, false),
)
const date = fc.date({ noInvalidDate: true })
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 4 })

/** Few, so that rows collide. */
export const email = fc.constantFrom('ada', 'bob', 'cyd', 'dan', 'eve', 'fay')

export const note: fc.Arbitrary<NoteShape> = fc.record(
  { label: fc.constantFrom('a', 'b', 'c'), text: fc.option(text, { freq: 2 }) },
  { requiredKeys: [] },
)

const secrets = {
  token: fc.option(text, { freq: 30 }),
  phrase: orNull(text),
  bytes: orNull(bytes),
  data: orNull(json),
  amount: orNull(fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity))),
  big: orNull(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n })),
  flag: orNull(fc.boolean()),
  since: orNull(date),
  logins: fc.integer({ min: 0, max: 9 }),
}
const pin = fc.record({ code: orNull(text), tries: orNull(fc.double()) }, { requiredKeys: [] })

const tenantId = fc.constantFrom(1, 2, 3)

/** Some properties of an account, for a change. Few rows move to another tenant. */
export const patch: fc.Arbitrary<AccountShape> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ ...secrets, pin }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: fc.record({ ...secrets, pin, tenantId }, { requiredKeys: ['tenantId'] }) },
)

/** A new account, mostly complete. */
export const newAccount: fc.Arbitrary<AccountShape> = fc.record(
  { ...secrets, pin, email, tenantId, token: text, notes: fc.array(note, { maxLength: 2 }) },
  { requiredKeys: ['email', 'tenantId', 'token'] },
)

/** A row for insert, without relations. */
export const newRow: fc.Arbitrary<AccountShape> = fc.record(
  { ...secrets, pin, email, tenantId },
  { requiredKeys: ['email', 'tenantId', 'token'] },
)

/** A copy that shares nothing: the worlds change values in place. */
export function copy<T>(value: T): T {
  return copyAny(value) as T
}

function copyAny(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof Date) return new Date(value)
  if (Array.isArray(value)) return value.map(copyAny)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyAny(member)]))
}
