import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { type ColumnOptions, type ColumnType, type ValueTransformer } from 'typeorm'
import { KmsEncryptionError, NotConfiguredError } from '../errors'
import { type KmsEncryptedOptions } from './options'
import { type Place, Scheme } from './scheme'
import { type ValueTypeName } from './types'

/**
 * What a declaration says to another loaded copy of this package: modules that were reset between tests, or a package
 * in a nested node_modules. The symbol is the same in all copies, and the classes are not.
 */
const DECLARATION = Symbol.for('typeorm-kms-encrypted/declaration')

interface Declaration {
  readonly options: KmsEncryptedOptions
  readonly place: Place
  readonly type: ValueTypeName
  /** Where the copy lies. */
  readonly folder: string
}

/** Declarations of other copies, as this one understands them. */
const adopted = new WeakMap<object, DeclaredColumn>()

/**
 * An encrypted column as the class declares it, before a DataSource binds it. It lets nothing through: a DataSource
 * whose options did not go through `configure()` fails when it is initialised, and if it were not noticed there,
 * with the first value.
 */
export class DeclaredColumn implements ValueTransformer {
  constructor(readonly scheme: Scheme) {}

  /** The declaration that a transformer is, of this or another copy of the package. */
  static of(transformer: unknown): DeclaredColumn | undefined {
    if (transformer instanceof DeclaredColumn) return transformer
    if (typeof transformer !== 'object' || transformer === null || !(DECLARATION in transformer))
      return undefined
    let column = adopted.get(transformer)
    if (!column) adopted.set(transformer, (column = adopt(transformer[DECLARATION] as Declaration)))
    return column
  }

  get [DECLARATION](): Declaration {
    const { options, place, type } = this.scheme
    return { options, place, type: type.name, folder: FOLDER }
  }

  to(value: unknown): unknown {
    return this.#nothingBut(value)
  }

  from(value: unknown): unknown {
    return this.#nothingBut(value)
  }

  #nothingBut(value: unknown): unknown {
    if (value === null || value === undefined) return value
    throw notConfigured(this.scheme.place)
  }
}

/** Of the package, or of what it was bundled into. */
const FOLDER = dirname(__dirname)

function adopt({ options, place, type, folder }: Declaration): DeclaredColumn {
  try {
    return new DeclaredColumn(new Scheme({ ...options, type }, place))
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    throw new NotConfiguredError(
      `two copies of typeorm-kms-encrypted are loaded, and this one does not understand what the other declared. The column was declared with that in ${folder}; the DataSource is configured with that in ${FOLDER}. Install one version for both (npm ls typeorm-kms-encrypted). The reason: ${error.message}`,
      place,
    )
  }
}

/** TypeORM's options for an encrypted column that no DataSource has bound yet. */
export function declaredColumn(scheme: Scheme): ColumnOptions {
  const { name, nullable, select, insert, update, comment } = scheme.options
  const given = Object.entries({ name, nullable, select, insert, update, comment }).filter(
    ([, value]) => value !== undefined,
  )
  return {
    ...(Object.fromEntries(given) as ColumnOptions),
    type: unboundType(scheme.place),
    transformer: new DeclaredColumn(scheme),
  }
}

const unboundTypes = new WeakMap<object, Place>()

/** The declaration whose type a column has without its transformer: TypeORM or the application copied a part of it. */
export function borrowedFrom({ type }: { type: unknown }): Place | undefined {
  return typeof type === 'function' ? unboundTypes.get(type) : undefined
}

/**
 * A column type that no driver knows. TypeORM refuses it, and asks for its name to say so: that is where the error
 * with the remedy comes from.
 */
export function unboundType(place: Place): ColumnType {
  const type = (): void => undefined
  unboundTypes.set(type, place)
  Object.defineProperty(type, 'name', {
    get() {
      throw notConfigured(place)
    },
  })
  // Whoever prints a schema asks for the name as well.
  Object.defineProperty(type, inspect.custom, { value: () => '[encrypted]' })
  return type as unknown as ColumnType
}

function notConfigured(place: Place): NotConfiguredError {
  return new NotConfiguredError(
    'the column is encrypted, but its DataSource was not told how. Wrap its options: new DataSource(encryption.configure({ … })), with encryption = kmsEncryption({ keyId }).',
    place,
  )
}
