import { EntitySchema, type EntitySchemaOptions } from 'typeorm'
import { type Dialect } from '../../dialects'
import { type KeyTableSettings } from './key-table-options'

/** A row of the key table, as TypeORM loads it. */
export interface KmsDataKey {
  id: Buffer
  purpose: string
  contextHash: Buffer
  context: string | null
  kmsKey: string
  encryptedDataKey: Buffer | null
  /** Milliseconds since 1970, as are the others: no driver, time zone or precision changes them. */
  createdAt: string | number
  retiredAt: string | number | null
  destroyAt: string | number | null
  destroyedAt: string | number | null
}

/** The name of the entity in a DataSource. */
export const KEY_TABLE_ENTITY = 'KmsDataKey'

/** Names of the columns, by property. Other languages read them: they are the same whatever the naming strategy. */
export const KEY_TABLE_COLUMNS = {
  id: 'id',
  purpose: 'purpose',
  contextHash: 'context_hash',
  context: 'context',
  kmsKey: 'kms_key',
  encryptedDataKey: 'encrypted_data_key',
  createdAt: 'created_at',
  retiredAt: 'retired_at',
  destroyAt: 'destroy_at',
  destroyedAt: 'destroyed_at',
} as const satisfies Record<keyof KmsDataKey, string>

type EntityOptions = Pick<EntitySchemaOptions<KmsDataKey>, keyof EntitySchemaOptions<KmsDataKey>>

/** The entity of the key table. The types of its columns never change. */
export function keyTableEntity(
  dialect: Dialect,
  { table, schema }: KeyTableSettings,
): EntitySchema<KmsDataKey> {
  const bytes = (length?: number) => dialect.storedType('binary', length)
  const text = (length?: number) => dialect.storedType('text', length)
  const time = { type: 'bigint' } as const
  const name = (property: keyof KmsDataKey) => ({ name: KEY_TABLE_COLUMNS[property] })
  const options: EntityOptions = {
    name: KEY_TABLE_ENTITY,
    tableName: table,
    ...(schema === undefined || !dialect.namespace ? {} : { [dialect.namespace]: schema }),
    columns: {
      id: { ...bytes(16), ...name('id'), primary: true, primaryKeyConstraintName: `${table}_pk` },
      purpose: { ...text(16), ...name('purpose') },
      contextHash: { ...bytes(32), ...name('contextHash') },
      context: { ...text(), ...name('context'), nullable: true },
      kmsKey: { ...text(2_048), ...name('kmsKey') },
      encryptedDataKey: { ...bytes(), ...name('encryptedDataKey'), nullable: true },
      createdAt: { ...time, ...name('createdAt') },
      retiredAt: { ...time, ...name('retiredAt'), nullable: true },
      destroyAt: { ...time, ...name('destroyAt'), nullable: true },
      destroyedAt: { ...time, ...name('destroyedAt'), nullable: true },
    },
    indices: [{ name: `${table}_context`, columns: ['purpose', 'contextHash'] }],
  }
  return new EntitySchema<KmsDataKey>(options)
}
