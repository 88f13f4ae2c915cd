import { Column, type EntitySchemaColumnOptions, getMetadataArgsStorage } from 'typeorm'
import { InvalidOptionError } from '../errors'
import { type KmsEncryptedOptions } from './options'
import { type KmsEncryptedDecorator } from './property-type'
import { redact } from './redaction'
import { Scheme } from './scheme'
import { declaredColumn } from './declared-column'
import { declareIndexColumn } from './index-column'
import { type ValueTypeName } from './types'

/**
 * Declares a transparently encrypted column: the application reads and writes plaintext, the database only ever
 * holds ciphertext. The options of the DataSource must go through `configure()` of a `KmsEncryption`.
 *
 * `null` is stored as NULL; the empty string and the empty Buffer are encrypted. Throws `InvalidOptionError` or
 * `UnknownValueTypeError` when the class is defined. The compiler refuses a property whose type does not go with
 * `type`, or has no `| null` (and is not optional) where the column is `nullable`.
 *
 * @example
 * ```ts
 * @Entity()
 * class User {
 *   @PrimaryGeneratedColumn() id!: number
 *   @KmsEncrypted() privateKey!: string
 *   @KmsEncrypted({ type: 'json', nullable: true }) recovery!: RecoveryCodes | null
 * }
 * ```
 */
export function KmsEncrypted<Type extends ValueTypeName = never, Nullable extends boolean = false>(
  options: KmsEncryptedOptions<Type, Nullable> = {},
): KmsEncryptedDecorator<Type, Nullable> {
  refuseWithoutParentheses(options)
  return (target, property) => {
    refuseStandardDecorators(target, property)
    refuseOutsideOfInstances(target, property)
    const place = { entity: target.constructor.name, property: String(property) }
    const scheme = new Scheme(options, place, designTypeOf(target, property))
    Column(declaredColumn(scheme))(target, property)
    if (options.redact !== undefined)
      redact(target, String(property), `${place.entity}.${place.property}`, options.redact)
    putFirst(target.constructor, String(property))
    for (const index of scheme.indexes)
      putFirst(target.constructor, declareIndexColumn(scheme, target, String(property), index))
  }
}

/** Without them the class, or its prototype, stands where options do, and no column would be declared. */
function refuseWithoutParentheses(options: unknown): void {
  const given = Object(options) as object
  const target = Object.hasOwn(given, 'constructor') ? given.constructor : given
  if (typeof target !== 'function') return
  throw new InvalidOptionError(
    'write @KmsEncrypted() with its parentheses: without them it declares nothing.',
    { entity: target.name },
  )
}

/** Those of ECMAScript get no class, so that TypeORM could not tell what they are on. */
function refuseStandardDecorators(target: unknown, property: unknown): void {
  if (target !== undefined) return
  const { name } = (property ?? {}) as { name?: unknown }
  throw new InvalidOptionError(
    'the compiler emits the decorators of ECMAScript, which TypeORM does not understand: set experimentalDecorators in tsconfig.json.',
    typeof name === 'string' ? { property: name } : {},
  )
}

/** TypeORM stores properties of instances that have a name, and takes others for columns of nothing. */
function refuseOutsideOfInstances(target: object, property: string | symbol): void {
  const entity = typeof target === 'function' ? target.name : target.constructor.name
  const kind = kindOutsideOfInstances(target, property)
  if (kind === undefined) return
  throw new InvalidOptionError(`${kind} is no column: declare a property of the instances, with a name.`, {
    entity,
    property: String(property),
  })
}

function kindOutsideOfInstances(target: object, property: string | symbol): string | undefined {
  if (typeof target === 'function') return 'a static property'
  if (typeof property === 'symbol') return 'a property whose key is a symbol'
  return typeof Object.getOwnPropertyDescriptor(target, property)?.value === 'function'
    ? 'a method'
    : undefined
}

/**
 * TypeORM keeps one column per property, the first that was declared: by this class or one that it extends. The
 * encrypted one, which was declared last, must win, so that no DataSource stores plaintext for it. Whether the two go
 * together is checked when a DataSource is initialised.
 */
function putFirst(target: object, property: string): void {
  const { columns } = getMetadataArgsStorage()
  const first = columns.findIndex(
    (each) =>
      each.propertyName === property &&
      (each.target === target || Object.prototype.isPrototypeOf.call(each.target, target)),
  )
  columns.splice(first, 0, ...columns.splice(-1))
}

/**
 * The same for `EntitySchema`. There is no `design:type` here, so `type` must be given.
 *
 * @example
 * ```ts
 * const UserSchema = new EntitySchema<User>({
 *   name: 'User',
 *   columns: {
 *     id: { type: Number, primary: true, generated: true },
 *     privateKey: kmsEncryptedColumn({ type: 'string' }),
 *   },
 * })
 * ```
 */
export function kmsEncryptedColumn(
  options: KmsEncryptedOptions & Required<Pick<KmsEncryptedOptions, 'type'>>,
): EntitySchemaColumnOptions {
  return declaredColumn(new Scheme(options, {})) as EntitySchemaColumnOptions
}

function designTypeOf(target: object, property: string | symbol): unknown {
  // reflect-metadata is the user's to import; without it nothing is known.
  const { getMetadata } = Reflect as {
    getMetadata?: (key: string, target: object, property: string | symbol) => unknown
  }
  return getMetadata?.('design:type', target, property)
}
