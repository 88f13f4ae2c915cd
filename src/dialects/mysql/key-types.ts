import { type KeyColumn, type Parameters } from '../rows/key-order'

/** A column of a key as `information_schema` has it. */
export interface CatalogueColumn {
  /** `varchar`, `enum` … */
  type: string
  /** Of text. */
  charset: string | null
  collation: string | null
}

type Form = Pick<KeyColumn, 'selected' | 'value'>

/**
 * In which form a type is paged. Each key is selected as bytes, because a connection's character set, JavaScript's
 * numbers and the driver's dates would lose something. `undefined` for a type of which it is not known how it
 * compares.
 */
export function keyForm(sql: string, column: CatalogueColumn): Form | undefined {
  switch (column.type) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
    case 'decimal':
    case 'boolean':
      return asNumber(sql)
    // Its text is cut to six digits, and no value compares equal to it.
    case 'float':
    case 'double':
      return asNumber(`${sql} + 0e0`, (digits) => (/e/i.test(digits) ? digits : `${digits}e0`))
    case 'bit':
      return asNumber(`CAST(${sql} AS UNSIGNED)`)
    // Sorted by their number, but compared with a text by text.
    case 'enum':
    case 'set':
      return asNumber(`${sql} + 0`)
    case 'year':
    case 'date':
    case 'datetime':
    case 'timestamp':
    case 'time':
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return {
        selected: asBytes(`CAST(${sql} AS CHAR)`),
        value: (key, parameters) => parameters.add(ascii(key)),
      }
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
      return column.charset && column.collation ? asText(sql, column.charset, column.collation) : undefined
    case 'binary':
    case 'varbinary':
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return { selected: sql, value: (key, parameters) => parameters.add(key) }
    default:
      return undefined
  }
}

/** Compared as the number that it is: a text would be compared as a double, which loses digits. */
function asNumber(expression: string, literal = (digits: string) => digits): Form {
  return {
    selected: asBytes(expression),
    value: (key, parameters) => parameters.add(new NumberLiteral(literal(ascii(key)))),
  }
}

/** In the column's own character set and collation, so that neither the order nor the index is another one. */
function asText(sql: string, charset: string, collation: string): Form {
  return {
    selected: asBytes(sql),
    value: (key: unknown, parameters: Parameters) =>
      `_${charset} ${parameters.add(key)} COLLATE ${collation}`,
  }
}

function asBytes(expression: string): string {
  return `CAST(${expression} AS BINARY)`
}

function ascii(key: unknown): string {
  return (key as Buffer).toString('latin1')
}

/** A number as it stands, with all its digits. */
class NumberLiteral {
  readonly #digits: string

  constructor(digits: string) {
    if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(digits)) {
      throw new RangeError('the database gave something else than a number for a numeric key')
    }
    this.#digits = digits
  }

  /** mysql2 calls this. */
  toSqlString(): string {
    return this.#digits
  }
}
