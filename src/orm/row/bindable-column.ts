import { type EntityMetadata } from 'typeorm'
import { type MadeKey } from '../../dialects/row-column'
import { checkPairValue } from '../../cipher/pairs'
import { rowValueText, type RowValueForm, valueOfText } from '../../column/row-value'
import { InvalidOptionError, InvalidValueError, RowUnknownError } from '../../errors'
import { type ColumnMetadata } from '../typeorm-types'

/**
 * A column that encrypted values of its row are bound to or keyed by. Its form is known once the database was asked
 * for its type; until then no value of it has a text.
 */
export class BindableColumn {
  /** Set by `RowColumns`. */
  form: RowValueForm | undefined
  /** How its value is to be had where an INSERT does not give it. Set by `RowColumns`. */
  made: MadeKey | undefined

  constructor(
    /** Path of the property as it was given. */
    readonly property: string,
    readonly metadata: ColumnMetadata,
  ) {}

  /** Its name in the database. */
  get name(): string {
    return this.metadata.databaseName
  }

  /** `Entity.property`. */
  get path(): string {
    return `${this.metadata.entityMetadata.name}.${this.property}`
  }

  /**
   * The text of a value, as the database stores it. Throws `RowUnknownError` if it is not there, and
   * `InvalidValueError` for one that the database would store otherwise.
   */
  textOf(value: unknown): string {
    if (!this.form) throw this.#notChecked()
    if (value === undefined) {
      throw new RowUnknownError(
        `the value is bound to ${this.path}, which is not known here. Reading: select ${this.property} as well, or the primary key of its row. Writing: give ${this.property} in the same insert or update as a value (no DEFAULT, no SQL, nothing that the database makes), or load the entity and save() it. For raw SQL pass the row as the last argument of encrypt() and decrypt().`,
      )
    }
    if (value === null) {
      throw new InvalidValueError(`the value is bound to ${this.path}, which is NULL in this row`)
    }
    const text = rowValueText(this.form, value)
    if (typeof text !== 'string') {
      throw new InvalidValueError(
        `the value is bound to ${this.path}, which must be ${text.expected}: the database would store it otherwise, or not at all`,
      )
    }
    if (text.length > MAX_UNCHECKED || !isPlain(text)) checkPairValue(this.path, text)
    return text
  }

  /** The value that has a text: what a person types. */
  valueOfText(text: string): unknown {
    if (!this.form) throw this.#notChecked()
    return valueOfText(this.form, text)
  }

  #notChecked(): RowUnknownError {
    return new RowUnknownError(
      `the value is bound to ${this.path}, and its table is not in the database. Run the migrations, or synchronize.`,
    )
  }
}

/** Shorter texts of ASCII need no check of their size. */
const MAX_UNCHECKED = 256

function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/**
 * The column of a property: of the embedded entity that the encrypted column is in, or of the entity. Throws for a
 * property that cannot be bound to, as far as its declaration tells.
 */
export function bindableColumn(
  encrypted: ColumnMetadata,
  property: string,
  option: string,
  isEncrypted: (column: ColumnMetadata) => boolean,
): ColumnMetadata {
  const { entityMetadata, propertyPath } = encrypted
  const refuse = (reason: string): never => {
    throw new InvalidOptionError(`${option} names ${property}, ${reason}`, {
      entity: entityMetadata.name,
      property: propertyPath,
    })
  }
  const inside = propertyPath.split('.').slice(0, -1)
  const [column] = [[...inside, property].join('.'), property].flatMap(
    (path) => columnAt(entityMetadata, path) ?? [],
  )
  if (!column) {
    const known = entityMetadata.columns.filter((each) => refusalOf(each, isEncrypted) === undefined)
    return refuse(
      `which is no column of the entity. It must be a property with one column of the same row: ${known.map((each) => each.propertyPath).join(', ') || 'none here'}.`,
    )
  }
  const refusal = refusalOf(column, isEncrypted)
  return refusal === undefined ? column : refuse(refusal)
}

/** A plain column, or the only join column of a relation. */
function columnAt(metadata: EntityMetadata, path: string): ColumnMetadata | undefined {
  const column = metadata.columns.find((each) => each.propertyPath === path && !each.isVirtual)
  if (column) return column
  const [join, ...others] = metadata.relations.find((each) => each.propertyPath === path)?.joinColumns ?? []
  return others.length === 0 ? join : undefined
}

const MANAGED = {
  isVersion: 'the version, which changes with each save',
  isUpdateDate: 'the update date, which changes with each save',
  isCreateDate: 'a date',
  isDeleteDate: 'the delete date',
  isTreeLevel: 'the level of a tree, which changes when a node moves',
  isMaterializedPath: 'the path of a tree, which changes when a node moves',
  isNestedSetLeft: 'a bound of a nested set, which changes when others are added',
  isNestedSetRight: 'a bound of a nested set, which changes when others are added',
  isArray: 'an array',
  isVirtualProperty: 'a virtual column',
} as const

/** Why values cannot be bound to a column, if its declaration tells. */
function refusalOf(
  column: ColumnMetadata,
  isEncrypted: (column: ColumnMetadata) => boolean,
): string | undefined {
  if (isEncrypted(column)) {
    return 'which is encrypted itself: each of its ciphertexts is different. Bind to the primary key or the owner.'
  }
  for (const [flag, what] of Object.entries(MANAGED)) {
    if (column[flag as keyof typeof MANAGED]) return `which is ${what}. Bind to what stays the same.`
  }
  if (column.isNullable) {
    return 'which is nullable: a row without it could hold anyone’s value. Make the column NOT NULL (nullable: false).'
  }
  if (column.asExpression !== undefined) {
    return 'which is a generated column: the database computes it after the value was encrypted. Bind to the columns that it is computed from.'
  }
  if (column.onUpdate !== undefined) return 'which the database sets with each UPDATE (onUpdate).'
  if (
    column.enum !== undefined ||
    /enum|^set$|json|simple-/.test(typeof column.type === 'string' ? column.type : '')
  ) {
    return 'whose type has no text that is the same everywhere (enum, json, simple-array). Use an integer, a uuid or a text.'
  }
  if (column.referencedColumn && column.relationMetadata?.onUpdate === 'CASCADE') {
    return "whose foreign key has onUpdate: 'CASCADE': the database would change it, and the values would not open any more. Use onUpdate: 'RESTRICT' or 'NO ACTION'."
  }
  return undefined
}
