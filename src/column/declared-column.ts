import { inspect } from 'node:util'
import { type ColumnOptions, type ColumnType, type ValueTransformer } from 'typeorm'
import { NotConfiguredError } from '../errors'
import { type Place, type Scheme } from './scheme'

/**
 * An encrypted column as the class declares it, before a DataSource binds it. It lets nothing through: a DataSource
 * whose options did not go through `configure()` fails when it is initialised, and if it were not noticed there,
 * with the first value.
 */
export class DeclaredColumn implements ValueTransformer {
  constructor(readonly scheme: Scheme) {}

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

/**
 * A column type that no driver knows. TypeORM refuses it, and asks for its name to say so: that is where the error
 * with the remedy comes from.
 */
function unboundType(place: Place): ColumnType {
  const type = (): void => undefined
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
