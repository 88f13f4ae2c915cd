import { type Dialect } from '../../../src/dialects'
import { type ColumnRow } from '../../../src/dialects/rows/column-rows'
import { type KeyPage } from '../../../src/dialects/rows/key-order'
import { type ErrorDetails, KmsEncryptionError } from '../../../src/errors'
import { type BoundColumn } from '../../../src/orm/bound-column'

export const PLACE = { entity: 'User', property: 'secret' }

type ErrorClass = new (reason: string, details: ErrorDetails) => KmsEncryptionError

/** As much of a column as tells where an error belongs. */
export function columnWith(more: object = {}): BoundColumn {
  const column = {
    name: 'User.secret',
    indexes: [],
    metadata: {
      propertyPath: 'secret',
      databaseName: 'secret',
      entityMetadata: { name: 'User', tablePath: 'user' },
    },
    error: (Class: ErrorClass, reason: string, cause?: unknown) => new Class(reason, { ...PLACE, cause }),
    placed: (error: unknown) => {
      if (!(error instanceof KmsEncryptionError)) throw error
      return error.at(PLACE)
    },
    ...more,
  }
  return column as unknown as BoundColumn
}

/** An error of a database, and what its dialect takes it for. */
export class Failed extends Error {
  constructor(
    readonly failure: string,
    message = 'failed',
  ) {
    super(message)
  }
}

export const dialectWith = (more: object = {}): Dialect =>
  ({ failureOf: (error: unknown) => (error as Partial<Failed>).failure, ...more }) as unknown as Dialect

/** The pages that are read of any rows from now on. */
export function pagesRead(dialect: Dialect): KeyPage[] {
  const pages: KeyPage[] = []
  const openRows = dialect.openRows.bind(dialect)
  jest.spyOn(dialect, 'openRows').mockImplementation(async (...given) => {
    const rows = await openRows(...given)
    const page = rows.page.bind(rows)
    rows.page = (asked) => {
      pages.push(asked)
      return page(asked)
    }
    return rows
  })
  return pages
}

export const rowOf = (
  id: number,
  stored: string | Buffer = 'old',
  more: Partial<ColumnRow> = {},
): ColumnRow => ({
  key: [id],
  id: `n${id}`,
  stored,
  primaryKey: () => ({ id }),
  valueOf: () => undefined,
  ...more,
})
