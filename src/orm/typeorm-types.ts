import { type EntityMetadata } from 'typeorm'

/** TypeORM does not export the type by name. */
export type ColumnMetadata = EntityMetadata['columns'][number]
