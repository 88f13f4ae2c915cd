import { type ValueTypeName } from './types'

/** The TypeScript types that go with each value type: what a property may hold, and is loaded with. */
interface PropertyTypes {
  string: string
  number: number
  bigint: bigint
  boolean: boolean
  date: Date
  buffer: Uint8Array
  /** Whether a type survives JSON is seen at run time, value by value. */
  json: unknown
}

/**
 * A decorator that the compiler lets stand only before a property whose type goes with the options: `type` as given,
 * and `| null` (or an optional property) if the column is `nullable`. Private and protected properties cannot be
 * seen from here and are taken as they are.
 */
export type KmsEncryptedDecorator<Type, Nullable> = <Target extends object, Property extends string | symbol>(
  target: Target & Check<Type, Nullable, PropertyOf<Target, Property>>,
  property: Property,
) => void

/** `unknown` where it cannot be told, which goes with everything. */
type PropertyOf<Target, Property> = Property extends keyof Target ? Target[Property] : unknown

/** What the decorated class has to be: anything, or something that no class is and whose name is the fault. */
type Check<Type, Nullable, Found> = CheckType<Type, Found> & CheckNull<Nullable, Found>

/**
 * JSON comes first, and asks nothing, so that it goes with a type parameter of a generic class. Options in a variable
 * whose type says no more than `ValueTypeName` pass with it.
 */
type CheckType<Type, Found> = [Type] extends [never]
  ? CheckInferred<Found>
  : 'json' extends Type
    ? unknown
    : Type extends ValueTypeName
      ? unknown extends Found
        ? unknown
        : [Exclude<Found, null | undefined>] extends [PropertyTypes[Type]]
          ? unknown
          : Fault<`type: '${Type}' does not go with the type of the property`>
      : unknown

/**
 * With no `type`, the compiler's `design:type` decides at run time. It says `Object` of a union with null, which then
 * stands for JSON of an object or array.
 */
type CheckInferred<Found> = unknown extends Found
  ? unknown
  : NullIn<Found> extends true
    ? [Exclude<Found, null | undefined>] extends [string | number | bigint | boolean | Date | Uint8Array]
      ? Fault<'the compiler tells nobody the type of a union with null: give it as an option'>
      : unknown
    : unknown

/** Without `strictNullChecks` null is in every type, and nothing can be said of it. */
type NullIn<Found> = undefined extends null ? unknown : null extends Found ? true : false

type CheckNull<Nullable, Found> = [Nullable] extends [true]
  ? null extends Found
    ? unknown
    : undefined extends Found
      ? unknown
      : Fault<'the column is nullable: the type of the property must have | null'>
  : unknown

/** The compiler prints the name of the property that it misses. */
type Fault<Message extends string> = Record<`KmsEncrypted: ${Message}`, never>

/** A property, or a path into embedded entities: `address.street`. */
export type PropertyPath<Entity> = (keyof Entity & string) | `${keyof Entity & string}.${string}`

/** The type of a property that a path leads to; `never` where it leads nowhere. */
export type PropertyAt<Entity, Path> = Path extends keyof Entity
  ? Entity[Path]
  : Path extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Entity
      ? PropertyAt<NonNullable<Entity[Head]>, Rest>
      : never
    : never
