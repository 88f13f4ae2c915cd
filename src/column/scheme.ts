import { checkContext } from '../cipher/context'
import { InvalidOptionError, UnknownValueTypeError } from '../errors'
import { type KmsEncryptedOptions, type PreviousSettings, type Writes } from './options'
import { ForeignFormats, refusalOfFormats } from './foreign-format'
import { type RedactOption } from './redaction'
import { checkRowProperties, rowPropertiesOf } from './row-properties'
import { type DeclaredIndex, declaredIndexes } from './search'
import { valueTypeOf, type ValueType, valueTypes } from './types'

/** Where a declaration stands. Not known for `EntitySchema`, until the column is bound to a DataSource. */
export interface Place {
  entity?: string
  property?: string
}

/** Column options of TypeORM that cannot work on ciphertext, and what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  default: 'a database default would be plaintext. Set the default in the class: property = value.',
  primary: 'a ciphertext cannot be found again by its value. Use another primary key.',
  generated: 'the database cannot generate a ciphertext.',
  array: "an array is encrypted as one value. Use type: 'json'.",
  enum: "the database cannot check a ciphertext. Use type: 'string' and check in the application.",
  enumName: "the database cannot check a ciphertext. Use type: 'string' and check in the application.",
  transformer:
    'the library itself is the transformer. Transform the value in the class, with a getter and setter.',
  length: 'the ciphertext is longer than the value. Use maxLength, in bytes of the value.',
  width: 'the column holds ciphertext. Use maxLength, in bytes of the value.',
  charset: "the column holds bytes. Use storage: 'text' for a column in ASCII.",
  collation: 'ciphertexts have no order.',
  precision: "numbers keep their full precision. Use type: 'number' or 'bigint'.",
  scale: "numbers keep their full precision. Use type: 'number' or 'bigint'.",
  unsigned: 'the column holds ciphertext. Check the range in the application.',
  zerofill: 'the column holds ciphertext.',
  onUpdate: 'the database cannot compute a ciphertext.',
  asExpression: 'the database cannot compute a ciphertext.',
  generatedType: 'the database cannot compute a ciphertext.',
  generatedIdentity: 'the database cannot compute a ciphertext.',
  hstoreType: "the column holds ciphertext. Use type: 'json'.",
  spatialFeatureType: "the column holds ciphertext. Use type: 'json'.",
  srid: "the column holds ciphertext. Use type: 'json'.",
  utc: "dates are kept in UTC. Use type: 'date'.",
}

const BOOLEANS = ['acceptPlaintext', 'nullable', 'select', 'insert', 'update'] as const
const STRINGS = ['name', 'comment', 'mirrorOf', 'mirrorTo'] as const
const OTHERS = [
  'type',
  'mode',
  'keyId',
  'context',
  'boundTo',
  'keyPer',
  'previous',
  'storage',
  'maxLength',
  'onUndecryptable',
  'open',
  'writes',
  'acceptFormats',
  'redact',
  'search',
  'unique',
] as const
const KNOWN: ReadonlySet<string> = new Set([...BOOLEANS, ...STRINGS, ...OTHERS])

/** What one declaration said, checked when the class is defined. */
export class Scheme {
  readonly type: ValueType
  /** The blind indexes by which rows are found. */
  readonly indexes: readonly DeclaredIndex[]
  /** What other programs encrypted and the column accepts. */
  readonly foreign: ForeignFormats | undefined

  constructor(
    readonly options: KmsEncryptedOptions,
    readonly place: Place,
    designType?: unknown,
  ) {
    checkOptions(options, place)
    this.type = chooseType(options, place, designType)
    this.foreign = options.acceptFormats && new ForeignFormats(options.acceptFormats)
    const isKeyed = rowPropertiesOf(options.keyPer).length > 0
    this.indexes = declaredIndexes(options.search, options.unique, isKeyed, (reason) => {
      throw new InvalidOptionError(reason, place)
    })
  }
}

function chooseType({ type }: KmsEncryptedOptions, place: Place, designType: unknown): ValueType {
  if (type !== undefined) {
    if (Object.hasOwn(valueTypes, type)) return valueTypes[type]
    throw new InvalidOptionError(
      `type ${JSON.stringify(type)} is not a value type. Choose one of ${Object.keys(valueTypes).join(', ')}; the type of the database column follows from storage and maxLength.`,
      place,
    )
  }
  const known = valueTypeOf(designType)
  if (known) return known
  throw new UnknownValueTypeError(
    "the type of the property is not known. Give it: @KmsEncrypted({ type: 'string' }), or compile with experimentalDecorators and emitDecoratorMetadata and import 'reflect-metadata' first (esbuild, tsx and vite emit no decorator metadata).",
    place,
  )
}

function checkOptions(options: KmsEncryptedOptions, place: Place): void {
  const refuse = (reason: string): never => {
    throw new InvalidOptionError(reason, place)
  }
  if (typeof options !== 'object' || (options as unknown) === null) refuse('the options must be an object')
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (KNOWN.has(name) || value === undefined) continue
    const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
    refuse(
      reason
        ? `the option ${name} cannot work on an encrypted column: ${reason}`
        : `unknown option ${name}. Known are ${[...KNOWN].join(', ')}.`,
    )
  }
  for (const name of BOOLEANS) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      refuse(`${name} must be true or false`)
  }
  for (const name of STRINGS) {
    if (
      options[name] !== undefined &&
      (typeof options[name] !== 'string' || (options[name] === '' && name !== 'comment'))
    ) {
      refuse(`${name} must be a non-empty string`)
    }
  }
  const { storage, maxLength } = options
  checkSettings(options, place, refuse, false)
  checkPrevious(options.previous, place, refuse)
  if (storage !== undefined && !['binary', 'text'].includes(storage))
    refuse("storage must be 'binary' or 'text'")
  if (options.onUndecryptable !== undefined && !['throw', 'marker'].includes(options.onUndecryptable))
    refuse("onUndecryptable must be 'throw' or 'marker'")
  if (options.open !== undefined && !['on-load', 'on-read'].includes(options.open))
    refuse("open must be 'on-load' or 'on-read'")
  checkWrites(options, refuse)
  if (options.mirrorOf !== undefined && options.mirrorTo !== undefined)
    refuse('a column has mirrorOf or mirrorTo, not both')
  if (options.redact !== undefined && !isRedactOption(options.redact)) refuse(REDACT)
  const { acceptFormats, acceptPlaintext = false } = options
  const refusal = acceptFormats && refusalOfFormats(acceptFormats, acceptPlaintext)
  if (refusal !== undefined) refuse(refusal)
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength > 0)) {
    refuse('maxLength must be a positive whole number of bytes')
  }
}

type Refuse = (reason: string) => never

function checkWrites({ writes, acceptPlaintext }: KmsEncryptedOptions, refuse: Refuse): void {
  if (writes === undefined) return
  if (!isWrites(writes)) refuse("writes must be 'ciphertext' or 'plaintext'")
  if (writes === 'plaintext' && acceptPlaintext !== true)
    refuse("writes: 'plaintext' needs acceptPlaintext: true, or what was written could not be read")
}

/** What `redact` takes. */
export const REDACT = 'redact must be true, false, or { json: true }'

export function isRedactOption(value: unknown): value is RedactOption {
  if (typeof value === 'boolean') return true
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).every(([name, each]) => name === 'json' && typeof each === 'boolean')
}

/** True for an answer to what a write stores. */
export function isWrites(value: unknown): value is Writes {
  return value === 'ciphertext' || value === 'plaintext'
}

function checkSettings(
  { mode, keyId, context, boundTo, keyPer }: PreviousSettings,
  place: Place,
  refuse: Refuse,
  isPrevious: boolean,
): void {
  if (mode !== undefined && !['envelope', 'direct'].includes(mode))
    refuse("mode must be 'envelope' or 'direct'")
  if (keyId !== undefined && !isKeyId(keyId)) {
    refuse('keyId must be a non-empty string, or a function that makes one of the encryption context')
  }
  if (context !== undefined) checkContext(context, place)
  checkBoundTo(boundTo, refuse, isPrevious)
  checkRowProperties('keyPer', keyPer, isPrevious, refuse)
}

/** True for what names a KMS key, or a function that is to name one. */
export function isKeyId(keyId: unknown): boolean {
  return typeof keyId === 'function' || (typeof keyId === 'string' && keyId !== '')
}

function checkBoundTo(boundTo: unknown, refuse: Refuse, isPrevious: boolean): void {
  if (boundTo === undefined) return
  if (typeof boundTo !== 'object' || boundTo === null) return refuse('boundTo takes table, column and row')
  for (const [name, value] of Object.entries(boundTo) as [string, unknown][]) {
    if (name === 'row') checkRowProperties('boundTo.row', value, isPrevious, refuse)
    else if (!['table', 'column'].includes(name) || typeof value !== 'string' || value === '') {
      refuse('boundTo takes table and column, non-empty strings, and row')
    }
  }
}

function checkPrevious(previous: unknown, place: Place, refuse: Refuse): void {
  if (previous === undefined) return
  if (!Array.isArray(previous)) return refuse('previous must be a list of earlier settings')
  for (const settings of previous as unknown[]) {
    if (typeof settings !== 'object' || settings === null)
      refuse('previous must be a list of earlier settings')
    const unknown = Object.keys(settings).find((name) => !PREVIOUS.includes(name))
    if (unknown !== undefined) refuse(`previous takes ${PREVIOUS.join(', ')}, not ${unknown}`)
    checkSettings(settings, place, (reason) => refuse(`in previous, ${reason}`), true)
  }
}

const PREVIOUS = ['context', 'boundTo', 'keyPer', 'keyId', 'mode']
