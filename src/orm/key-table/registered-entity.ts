import { type DataSource } from 'typeorm'
import { DeclaredColumn } from '../../column/declared-column'
import { dialectOf } from '../../dialects'
import { BoundColumn } from '../bound-column'
import { type ColumnMetadata } from '../typeorm-types'
import { keyTableEntity, KEY_TABLE_ENTITY } from './entity'
import { fixNames } from './fixed-names'
import { type KeyTableSettings } from './key-table-options'

/** The entity of the key table among those of a DataSource, where new values are sealed under stored data keys. */
export class RegisteredEntity {
  readonly #dataSource: DataSource
  readonly #settings: KeyTableSettings
  #entity: ReturnType<typeof keyTableEntity> | undefined

  constructor(dataSource: DataSource, settings: KeyTableSettings) {
    this.#dataSource = dataSource
    this.#settings = settings
  }

  /** Others may have changed the entities since the DataSource was made, or will have to do with them as a list. */
  add(): void {
    const dataSource = this.#dataSource
    const { entities: given = [] } = dataSource.options
    this.#entity ??= keyTableEntity(dialectOf(dataSource.options), this.#settings)
    const entities: unknown[] = Array.isArray(given) ? given : Object.values(given)
    if (entities.includes(this.#entity)) return
    Object.assign(dataSource, {
      options: { ...dataSource.options, entities: [...entities, this.#entity] },
    })
  }

  /** Where nothing is encrypted there is no key table. */
  finish(): void {
    const { entityMetadatas, entityMetadatasMap } = this.#dataSource
    const metadata = entityMetadatas.find(({ name }) => name === KEY_TABLE_ENTITY)
    if (!metadata || !this.#entity) return
    if (entityMetadatas.some(({ columns }) => columns.some(isDeclared))) {
      fixNames(metadata, this.#settings.table)
      return
    }
    entityMetadatas.splice(entityMetadatas.indexOf(metadata), 1)
    entityMetadatasMap.delete(metadata.target)
  }
}

function isDeclared({ transformer }: ColumnMetadata): boolean {
  return transformer instanceof BoundColumn || DeclaredColumn.of(transformer) !== undefined
}
