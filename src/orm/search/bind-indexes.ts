import { type DataSource, type EntityMetadata } from 'typeorm'
import { type IndexKeys, storedIndexKeys } from '../../cipher/blind-index/index-keys'
import { type EncryptionContext } from '../../cipher/context'
import { DeclaredColumn } from '../../column/declared-column'
import { IndexColumn } from '../../column/index-column'
import { rowPropertiesOf } from '../../column/row-properties'
import { type Scheme } from '../../column/scheme'
import { dialectOf } from '../../dialects'
import { InvalidOptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { boundColumn, boundColumns } from '../bound-columns'
import { boundTable } from '../bound-table'
import { type ColumnMetadata } from '../typeorm-types'
import { BlindIndex, indexLength } from './blind-index'
import { membersBeside } from './compound-index'

/** Gives the column of a blind index its type. Called for each column while TypeORM builds the metadata. */
export function bindIndexColumn(metadata: ColumnMetadata, { options }: DataSource): void {
  const declared = IndexColumn.of(metadata.transformer)
  if (!declared) return
  const scheme = columnBeside(metadata, declared.property)
  const { type, length } = dialectOf(options).indexType(
    scheme?.options.storage ?? 'binary',
    indexLength(scheme?.indexes.find(({ name }) => name === declared.index)?.bits),
  )
  metadata.type = type
  if (length !== undefined) metadata.length = String(length)
  // After a save TypeORM sets nullable columns that the entity lacks: this one is no property of the application's.
  const setEntityValue = metadata.setEntityValue.bind(metadata)
  metadata.setEntityValue = (entity, value) => {
    if (value !== null) setEntityValue(entity, value)
  }
}

/** The encrypted column that an index belongs to: of the same class or embedded class. */
function columnBeside(index: ColumnMetadata, property: string): Scheme | undefined {
  const column = index.entityMetadata.columns.find((each) => isBeside(each, index, property))
  return column && (boundColumn(column)?.scheme ?? DeclaredColumn.of(column.transformer)?.scheme)
}

function isBeside(column: ColumnMetadata, index: ColumnMetadata, property: string): boolean {
  return column.propertyName === property && column.embeddedMetadata === index.embeddedMetadata
}

/** Ties the encrypted columns of an entity to their blind indexes, once its metadata is complete. */
export function bindIndexes(
  metadata: EntityMetadata,
  { options }: DataSource,
  given: IndexKeys | undefined,
  hasKeyTable: boolean,
): void {
  const dialect = dialectOf(options)
  for (const column of boundColumns(metadata)) {
    column.indexes = column.scheme.indexes.map((declared) => {
      const beside = metadata.columns.find((each) => {
        const index = IndexColumn.of(each.transformer)
        return index?.index === declared.name && isBeside(column.metadata, each, index.property)
      })
      const place = { entity: metadata.name, property: column.metadata.propertyPath }
      const refuse = (reason: string): never => {
        throw new InvalidOptionError(reason, place)
      }
      if (!beside)
        return refuse(
          'TypeORM made no column for its blind index: something else is declared under that name',
        )
      if (!given && !hasKeyTable) {
        return refuse(
          "search needs an index key: kmsEncryption({ indexKey: '…' }), made with typeorm-kms keys create-index-key; or dataKeys: 'stored', which keeps one in the key table.",
        )
      }
      checkNames(metadata, beside, refuse)
      if (dialect.isTooLong(beside.databaseName))
        refuse(
          `its blind index needs the column ${beside.databaseName}, and that is a longer name than the database allows. Give the encrypted column a shorter name: @KmsEncrypted({ name: '…' }); or rename the property`,
        )
      const isKeyed = rowPropertiesOf(column.scheme.options.keyPer).length > 0
      const keysOf = (context: EncryptionContext): IndexKeys =>
        given ?? storedIndexKeys(column.cipher, column.recipes.keyIdFor(context), context)
      return new BlindIndex(
        column,
        beside,
        declared,
        keysOf,
        indexPlace(column, declared.name, options.type),
        isKeyed,
        given,
        membersBeside(column, declared),
      )
    })
  }
  for (const column of boundColumns(metadata)) {
    for (const index of column.indexes) {
      for (const member of index.members.slice(1)) {
        const shared = boundColumn(member.metadata)
        // A subclass has columns of its class, which other subclasses have, too.
        const others = shared?.sharedIndexes.filter((each) => each.metadata !== index.metadata) ?? []
        if (shared) shared.sharedIndexes = [...others, index]
      }
    }
  }
  refuseLostIndexes(metadata)
  dropRepeatedIndexes(metadata)
}

/** Classes of a single table that declare the same property bring an index each, of one name, over one column. */
function dropRepeatedIndexes(metadata: EntityMetadata): void {
  const names = new Set<string>()
  metadata.indices = metadata.indices.filter(({ name, columns }) => {
    if (!columns.some(({ transformer }) => IndexColumn.of(transformer))) return true
    const isFirst = !names.has(name)
    names.add(name)
    return isFirst
  })
}

/** The names that the key of an index is derived from: those under which values are bound, and the index beside. */
function indexPlace({ metadata, scheme: { options } }: BoundColumn, name: string, type: string) {
  const column = options.boundTo?.column ?? metadata.databaseName
  const table = options.boundTo?.table ?? boundTable(metadata.entityMetadata, type)
  return { table, column, index: `${column}_${name}` }
}

function checkNames(
  { columns }: EntityMetadata,
  beside: ColumnMetadata,
  refuse: (reason: string) => never,
): void {
  const same = columns.filter(({ databaseName }) => databaseName === beside.databaseName)
  if (same.length > 1)
    refuse(`its blind index needs the column ${beside.databaseName}, and another property has that name`)
}

/** A subclass declared the property anew, without search: nothing would write the index that its base declares. */
function refuseLostIndexes(metadata: EntityMetadata): void {
  const all = new Set(boundColumns(metadata).flatMap(({ indexes }) => indexes.map((each) => each.metadata)))
  const lost = metadata.columns.find((each) => IndexColumn.of(each.transformer) && !all.has(each))
  if (!lost) return
  throw new InvalidOptionError(
    `the column ${lost.databaseName} is declared for a blind index of a property that is declared anew without search. Give both declarations the same search.`,
    { entity: metadata.name, property: IndexColumn.of(lost.transformer)?.property ?? lost.propertyPath },
  )
}
