import { type ObjectLiteral, type ValueTransformer } from 'typeorm'
import { type OnUndecryptable } from '../column/options'
import { type Plaintext } from '../column/types'
import { type ErrorDetails, type KmsEncryptionError } from '../errors'
import { type Scheme } from '../column/scheme'
import { type Stored, type ValueOpener } from './read/value-opener'
import { type Recipes, type RowRecipe } from './recipe'
import { type PlaintextWrites } from './write/plaintext-writes'

/** A blind index, as far as tokens need it; none whose key depends on the row. */
export interface Searcher {
  readonly constant: KeyedSearcher | undefined
}

interface KeyedSearcher {
  /** True if values can be hashed at once. */
  readonly isReady: boolean
  /** The whole hash of a serialised value. */
  hashOf(plaintext: Plaintext): Buffer
}

/** What tokens, markers and hydration ask of the column that they belong to, which is a `BoundColumn`. */
export interface EncryptedColumn extends ValueTransformer {
  /** `Entity.property`, for people. */
  readonly name: string
  /** Names the stored values: two entities over one table share them. */
  readonly cell: string
  readonly scheme: Scheme
  readonly onUndecryptable: OnUndecryptable
  /** True if its values are opened when their properties are read. */
  readonly opensOnRead: boolean
  /** Opens stored values. */
  readonly opener: ValueOpener
  /** How the values of each row are encrypted. */
  readonly recipes: Recipes
  /** What answers conditions of equality, if the column has a blind index for that. */
  readonly searchedBy: Searcher | undefined
  /** True if its values are indexed together with those of other columns. */
  readonly isIndexedTogether: boolean
  /** The bytes of a value. Throws for a value that cannot be stored, naming entity and property. */
  serialise(value: unknown): Plaintext
  /** Sees to it that the next value can be encrypted at once; `undefined` if it can be. */
  prepare(recipe: RowRecipe): Promise<unknown> | undefined
  /** What is to be stored; `undefined` where KMS must be asked first. */
  encryptNow(plaintext: Plaintext, recipe: RowRecipe): Stored | undefined
  encrypt(plaintext: Plaintext, recipe: RowRecipe): Promise<Stored>
  /** Where `writes` may have plaintext stored. */
  readonly plaintextWrites?: PlaintextWrites | undefined
  /** A value of a row, as the driver delivered it. Throws `DriverValueError` if that is not what the column holds. */
  storedOf(value: unknown): Stored
  /** An error of this column. */
  error(
    Class: new (reason: string, details: ErrorDetails) => KmsEncryptionError,
    reason: string,
    cause?: unknown,
  ): KmsEncryptionError
  /** The same error with entity and property and, where a row is given, its primary key. */
  placed(error: unknown, row?: ObjectLiteral): KmsEncryptionError
  /** The primary key of an entity of its class. */
  keyOf(entity: ObjectLiteral): ObjectLiteral | undefined
}
