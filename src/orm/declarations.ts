import { isDeepStrictEqual } from 'node:util'
import { type DataSource, type EntityMetadata, getMetadataArgsStorage } from 'typeorm'
import { borrowedFrom, DeclaredColumn } from '../column/declared-column'
import { InvalidOptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumn, boundColumns } from './bound-columns'
import { managedAs } from './managed-column'
import { type ColumnMetadata } from './typeorm-types'

type ColumnArgs = ReturnType<typeof getMetadataArgsStorage>['columns'][number]
type Class = ColumnArgs['target']

/** One `@KmsEncrypted()` or `kmsEncryptedColumn()`, and what became of it in a DataSource. */
export interface DeclaredColumnReport {
  /** Name of the class or schema that declares the column. */
  readonly declaredIn: string
  readonly property: string
  /**
   * - `encrypted`: it is bound to the columns in `columns`.
   * - `overridden`: each entity has a nearer declaration of the property, which is encrypted as well.
   * - `not in this DataSource`: no entity of the DataSource is, extends or embeds the class.
   */
  readonly outcome: 'encrypted' | 'overridden' | 'not in this DataSource'
  readonly columns: readonly BoundColumn[]
}

/** An entity or an embedded class in one, with the columns that TypeORM made of it. */
interface Part {
  readonly metadata: EntityMetadata
  /** The classes whose declarations it has, the nearest first; for single-table inheritance the children's, too. */
  readonly classes: readonly Class[]
  readonly columns: readonly ColumnMetadata[]
}

/** Lists what classes declared that are loaded, and what schemas of the DataSource did. For an initialised one. */
export function declaredColumns(dataSource: DataSource): DeclaredColumnReport[] {
  const parts = dataSource.entityMetadatas.flatMap(partsOf)
  const byClass = getMetadataArgsStorage().columns.flatMap((args): DeclaredColumnReport[] => {
    if (!isDeclared(args)) return []
    const having = parts.filter(({ classes }) => classes.includes(args.target))
    const columns = having.flatMap((part) => {
      const bound = boundOf(part, args.propertyName)
      return bound && bound.scheme === schemeOf(args) ? [bound] : []
    })
    const outcome =
      having.length === 0 ? 'not in this DataSource' : columns.length ? 'encrypted' : 'overridden'
    return [{ declaredIn: nameOf(args.target), property: args.propertyName, outcome, columns }]
  })
  const known = new Set<BoundColumn>(byClass.flatMap(({ columns }) => columns))
  const bySchema = new Set(
    dataSource.entityMetadatas.flatMap(boundColumns).filter((column) => !known.has(column)),
  )
  return [
    ...byClass,
    ...Array.from(bySchema, (column): DeclaredColumnReport => {
      const { entityMetadata, propertyPath } = column.metadata
      return {
        declaredIn: entityMetadata.name,
        property: propertyPath,
        outcome: 'encrypted',
        columns: [column],
      }
    }),
  ]
}

/**
 * Refuses what TypeORM would drop in silence, or complain of in other words: a class that declares an encrypted
 * property twice. For the classes in the DataSource's options; those of patterns are not loaded yet.
 */
export function refuseDuplicates(dataSource: DataSource): void {
  const entities: unknown = dataSource.options.entities
  if (typeof entities !== 'object' || entities === null) return
  const declarations = new Declarations()
  for (const entity of Object.values(entities) as unknown[]) {
    if (typeof entity !== 'function') continue
    const classes = chainOf(entity)
    for (const args of declarations.encryptedIn(classes)) refuseRivals(args, declarations, classes, false)
  }
}

/** Throws for a declaration that is not bound, or whose column TypeORM fills itself. For complete metadata. */
export function checkDeclarations({ entityMetadatas }: DataSource): void {
  const declarations = new Declarations()
  for (const part of entityMetadatas.flatMap(partsOf)) {
    const { classes, columns, metadata } = part
    for (const args of declarations.encryptedIn(classes)) {
      refuseRivals(args, declarations, classes, isSingleTable(metadata))
      if (!boundOf(part, args.propertyName)) {
        throw notBound(args, `TypeORM made no encrypted column of it in ${metadata.name}`)
      }
    }
    for (const column of columns) {
      const managed = boundColumn(column) && managedAs(column)
      if (managed) throw managedError(metadata.name, column.propertyPath, managed)
    }
  }
  refuseForeignKeys(entityMetadatas)
  refusePlainNamesakes(entityMetadatas)
}

/**
 * Refuses a column that has the type of an encrypted one and not its transformer: the options of a schema with another
 * transformer, or a column that TypeORM makes for a relation.
 */
export function refuseBorrowed(column: ColumnMetadata): void {
  const place = borrowedFrom(column)
  if (!place) return
  throw new InvalidOptionError(
    `the column ${column.entityMetadata.name}.${column.propertyPath} takes over a part of an encrypted column: its transformer was replaced, or a relation refers to it. Nothing was stored. Leave the transformer as kmsEncryptedColumn() gives it, and let relations refer to another column.`,
    { entity: place.entity ?? column.entityMetadata.name, property: place.property ?? column.propertyPath },
  )
}

/** Ciphertexts of equal values differ, so that the database would find no row that they refer to. */
function refuseForeignKeys(entityMetadatas: readonly EntityMetadata[]): void {
  for (const { foreignKeys, columns } of entityMetadatas) {
    const referred = columns.map(({ referencedColumn }) => referencedColumn)
    for (const column of [
      ...foreignKeys.flatMap((key) => [...key.columns, ...key.referencedColumns]),
      ...referred,
    ]) {
      if (column && boundColumn(column))
        throw managedError(
          column.entityMetadata.name,
          column.propertyPath,
          'part of a foreign key or relation',
        )
    }
  }
}

function partsOf(metadata: EntityMetadata): Part[] {
  const embedded = metadata.allEmbeddeds.map((each): Part => ({
    metadata,
    classes: typeof each.type === 'function' ? chainOf(each.type) : [each.type],
    columns: each.columns,
  }))
  const { target, inheritanceTree, ownColumns } = metadata
  // TypeORM ends at the first class without a name, and so loses what that and its bases declare.
  const classes =
    typeof target === 'function' ? [...new Set([...inheritanceTree, ...chainOf(target)])] : inheritanceTree
  return [{ metadata, classes, columns: ownColumns }, ...embedded]
}

/** What classes declare. TypeORM has one list for all of them, too long to be gone through for each of many. */
class Declarations {
  readonly #columns: ByClass<ColumnArgs>
  readonly #encrypted: ByClass<ColumnArgs>
  readonly #inPlace: ByClass<Declaration>
  readonly #ofRelations: ByClass<Declaration>

  constructor() {
    const storage = getMetadataArgsStorage()
    // TypeORM 1.x has no @RelationCount() any more.
    const { relationIds, relationCounts = [] } = storage as typeof storage & {
      relationCounts?: typeof storage.relationIds
    }
    this.#columns = byClass(storage.columns)
    this.#encrypted = byClass(storage.columns.filter(isDeclared))
    this.#inPlace = byClass<Declaration>([...storage.relations, ...storage.embeddeds])
    this.#ofRelations = byClass<Declaration>([...relationIds, ...relationCounts])
  }

  encryptedIn(classes: readonly Class[]): ColumnArgs[] {
    return of(this.#encrypted, classes)
  }

  /** The other columns that are declared for the same property. */
  columnsBeside(args: ColumnArgs, classes: readonly Class[]): ColumnArgs[] {
    return of(this.#columns, classes).filter(
      (other) => other !== args && other.propertyName === args.propertyName,
    )
  }

  /** Relations and embedded classes that are declared for it. */
  inPlaceOf(args: ColumnArgs, classes: readonly Class[]): Declaration[] {
    return of(this.#inPlace, classes).filter(({ propertyName }) => propertyName === args.propertyName)
  }

  /** What is declared for it and filled from a relation. */
  ofRelations(args: ColumnArgs, classes: readonly Class[]): Declaration[] {
    return of(this.#ofRelations, classes).filter(({ propertyName }) => propertyName === args.propertyName)
  }
}

interface Declaration {
  readonly target: Class
  readonly propertyName: string
}

type ByClass<T> = ReadonlyMap<Class, readonly T[]>

function byClass<T extends { readonly target: Class }>(all: readonly T[]): ByClass<T> {
  const groups = new Map<Class, T[]>()
  for (const each of all) {
    const group = groups.get(each.target)
    if (group) group.push(each)
    else groups.set(each.target, [each])
  }
  return groups
}

function of<T>(groups: ByClass<T>, classes: readonly Class[]): T[] {
  const found: T[] = []
  for (const each of classes) {
    const group = groups.get(each)
    if (group) found.push(...group)
  }
  return found
}

/** Throws if something else is declared for the property, where it is not plainly overridden by a subclass. */
function refuseRivals(
  args: ColumnArgs,
  declarations: Declarations,
  classes: readonly Class[],
  isSingleTable: boolean,
): void {
  for (const other of declarations.columnsBeside(args, classes)) {
    const name = `${decoratorOf(other)} in ${nameOf(other.target)}`
    if (other.target === args.target)
      throw notBound(args, `the class declares it twice, with ${name} as well`)
    if (other.options.primary || other.mode !== 'regular') {
      throw notBound(args, `${name} has TypeORM fill the same property`)
    }
    if (isSingleTable && !isSame(args, other)) {
      throw notBound(args, `${name} declares the same column of the table otherwise`)
    }
  }
  for (const other of declarations.inPlaceOf(args, classes)) {
    throw notBound(args, `${nameOf(other.target)} declares a relation or an embedded class for it`)
  }
  for (const other of declarations.ofRelations(args, classes)) {
    throw notBound(args, `${nameOf(other.target)} declares @RelationId() or @RelationCount() for it`)
  }
}

/** Another declaration of the same column of a table would store plaintext in it, or read ciphertext as a value. */
function refusePlainNamesakes(entityMetadatas: readonly EntityMetadata[]): void {
  const encrypted = new Map(
    entityMetadatas.flatMap(boundColumns).map((column) => [column.cell, column] as const),
  )
  if (encrypted.size === 0) return
  for (const { tablePath, name, columns } of entityMetadatas) {
    for (const column of columns) {
      const rival = boundColumn(column) ? undefined : encrypted.get(`${tablePath}.${column.databaseName}`)
      if (!rival || isBinary(column)) continue
      throw new InvalidOptionError(
        `the column ${column.databaseName} of the table ${tablePath} is encrypted as ${rival.name}, and declared here without: it would store plaintext there. Declare it with @KmsEncrypted() here, too, or leave it out; to handle ciphertexts as bytes, declare it with a binary type.`,
        { entity: name, property: column.propertyPath },
      )
    }
  }
}

function isBinary({ type }: ColumnMetadata): boolean {
  return typeof type === 'string' && /blob|binary|bytea/.test(type)
}

function notBound(args: ColumnArgs, reason: string): InvalidOptionError {
  return new InvalidOptionError(
    `@KmsEncrypted() does not reach the column: ${reason}. Nothing was stored. Declare the property once, with @KmsEncrypted() alone; its options replace those of @Column(). A generated, managed or key value belongs into a property of its own.`,
    { entity: nameOf(args.target), property: args.propertyName },
  )
}

function managedError(entity: string, property: string, managed: string): InvalidOptionError {
  return new InvalidOptionError(
    `an encrypted column cannot be ${managed}: the database or TypeORM would store or need plaintext there. Keep the encrypted value in a property of its own, without that declaration.`,
    { entity, property },
  )
}

function boundOf({ columns }: Part, property: string): BoundColumn | undefined {
  const column = columns.find(({ propertyName }) => propertyName === property)
  return column && boundColumn(column)
}

function isDeclared({ options }: ColumnArgs): boolean {
  return DeclaredColumn.of(options.transformer) !== undefined
}

function schemeOf({ options }: ColumnArgs): DeclaredColumn['scheme'] | undefined {
  return DeclaredColumn.of(options.transformer)?.scheme
}

function isSame(a: ColumnArgs, b: ColumnArgs): boolean {
  const [one, other] = [schemeOf(a), schemeOf(b)]
  return (
    one !== undefined &&
    other !== undefined &&
    one.type === other.type &&
    // Functions (`keyId`, `search`) are the same if they are one.
    isDeepStrictEqual(one.options, other.options)
  )
}

function isSingleTable({ inheritancePattern, tableType }: EntityMetadata): boolean {
  return inheritancePattern === 'STI' || tableType === 'entity-child'
}

/** A class and those that it extends, the nearest first. */
function chainOf(target: object): Class[] {
  const chain: Class[] = []
  for (
    let each: unknown = target;
    typeof each === 'function' && each !== Function.prototype;
    each = Object.getPrototypeOf(each)
  )
    chain.push(each)
  return chain
}

function nameOf(target: Class): string {
  return typeof target === 'function' ? target.name || 'a class without a name' : target
}

const DECORATORS: Readonly<Partial<Record<ColumnArgs['mode'], string>>> = {
  createDate: '@CreateDateColumn()',
  updateDate: '@UpdateDateColumn()',
  deleteDate: '@DeleteDateColumn()',
  version: '@VersionColumn()',
  treeLevel: '@TreeLevelColumn()',
  objectId: '@ObjectIdColumn()',
  'virtual-property': '@VirtualColumn()',
}

function decoratorOf(args: ColumnArgs): string {
  if (isDeclared(args)) return '@KmsEncrypted()'
  return DECORATORS[args.mode] ?? (args.options.primary ? '@PrimaryColumn()' : '@Column()')
}
