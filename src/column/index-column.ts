import { Column, type ColumnOptions, Index, type ValueTransformer } from 'typeorm'
import { unboundType } from './declared-column'
import { type Scheme } from './scheme'
import { type DeclaredIndex } from './search'

/** What a column beside an encrypted one says to another loaded copy of this package. */
const INDEX = Symbol.for('typeorm-kms-encrypted/index')

/** The column that holds a blind index. It has no property: nothing of it is loaded or set by an entity. */
export class IndexColumn implements ValueTransformer {
  constructor(
    /** Of the encrypted column beside it, in the same class. */
    readonly property: string,
    readonly index: string,
  ) {}

  /** What a transformer says, of this or another copy of the package. */
  static of(transformer: unknown): Pick<IndexColumn, 'property' | 'index'> | undefined {
    if (typeof transformer !== 'object' || transformer === null || !(INDEX in transformer)) return undefined
    return transformer as IndexColumn
  }

  get [INDEX](): true {
    return true
  }

  to(value: unknown): unknown {
    return value
  }

  from(value: unknown): unknown {
    return value
  }
}

/** The name under which TypeORM has the column of an index; no class has a property of it. */
export function indexProperty(property: string, { name }: DeclaredIndex): string {
  return `${property}_${name}`
}

/** TypeORM's options for the column of an index, which a DataSource gives its type. */
export function indexColumn(
  { options, place }: Scheme,
  property: string,
  index: DeclaredIndex,
): ColumnOptions {
  return {
    ...(options.name === undefined ? {} : { name: `${options.name}_${index.name}` }),
    type: unboundType(place),
    nullable: true,
    select: false,
    insert: false,
    update: false,
    transformer: new IndexColumn(property, index.name),
  }
}

/** Declares the column of a blind index, and an index of the database over it. Gives the name that TypeORM has it under. */
export function declareIndexColumn(
  scheme: Scheme,
  target: object,
  property: string,
  index: DeclaredIndex,
): string {
  const name = indexProperty(property, index)
  Column(indexColumn(scheme, property, index))(target, name)
  Index({ unique: index.isUnique })(target, name)
  return name
}
