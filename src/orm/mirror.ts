import { type DataSource, type EntityMetadata, type ObjectLiteral, type SelectQueryBuilder } from 'typeorm'
import { InvalidOptionError, RawSqlRefusedError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumn, boundColumns } from './bound-columns'
import { type ReplacedMethods } from './replaced-methods'
import { SealedValue } from './sealed-value'
import { boundColumnsOf } from './statement/entity-catalogue'
import { type Refusal } from './statement/refusal'
import { type CatalogueTable, type Statement } from './statement/statement'
import { type ColumnMetadata } from './typeorm-types'
import { PendingCiphertext } from './write/tokens'

/*
 * A column that changes its type and its form at once is replaced by a new one beside it. While both are there they
 * hold the same value: whoever writes the one (the leader) writes the other (the follower) in the same statement.
 */

/** A column that is written with the values of another. */
export interface Mirror {
  readonly leader: ColumnMetadata
  readonly follower: ColumnMetadata
}

/** By the encrypted column, which is one of the two. */
const mirrors = new WeakMap<BoundColumn, Mirror>()

export function mirrorOf(column: BoundColumn): Mirror | undefined {
  return mirrors.get(column)
}

/** Ties the columns of an entity that mirror each other. Returns whether there are some. */
export function bindMirrors(metadata: EntityMetadata): boolean {
  const found = boundColumns(metadata).flatMap((column) => {
    const { mirrorOf: leader, mirrorTo: follower } = column.scheme.options
    const property = leader ?? follower
    if (property === undefined) return []
    const other = partner(column, property)
    return [
      {
        column,
        mirror: follower
          ? { leader: column.metadata, follower: other }
          : { leader: other, follower: column.metadata },
      },
    ]
  })
  for (const { column, mirror } of found) {
    if (!mirror.follower.isNullable) {
      throw column.error(
        InvalidOptionError,
        `${mirror.follower.propertyPath} must be nullable: instances that do not know it insert rows without it.`,
      )
    }
    follow(mirror)
    mirrors.set(column, mirror)
  }
  return found.length > 0
}

function partner(column: BoundColumn, property: string): ColumnMetadata {
  const { entityMetadata } = column.metadata
  const other = entityMetadata.columns.find(({ propertyPath }) => propertyPath === property)
  const isPlain =
    other !== undefined &&
    !other.embeddedMetadata &&
    !column.metadata.embeddedMetadata &&
    !boundColumn(other) &&
    !other.isPrimary &&
    !other.isGenerated &&
    !other.isVirtual &&
    !other.relationMetadata
  if (!isPlain) {
    throw column.error(
      InvalidOptionError,
      `mirrorOf and mirrorTo name another property of the entity with a column that is not encrypted, no key and no relation, and neither stands in an embedded class; ${property} is none.`,
    )
  }
  return other
}

/** TypeORM asks a column for its value in an entity or a set of values: the follower answers with that of the leader. */
function follow({ leader, follower }: Mirror): void {
  // Nobody reads it.
  follower.isSelect = false
  const own = follower.getEntityValue.bind(follower) as (
    entity: ObjectLiteral,
    transform?: boolean,
  ) => unknown
  const ofLeader = leader.getEntityValue.bind(leader)
  follower.getEntityValue = (entity, transform) => {
    const value: unknown = ofLeader(entity)
    // `save` has computed the value of the follower already, where that of the leader is on its way into a statement.
    if (value === undefined || value instanceof PendingCiphertext) return own(entity, transform)
    // What did not open stays as it is, on both sides.
    if (SealedValue.of(value)) return undefined
    const values: ObjectLiteral = {}
    follower.setEntityValue(values, value)
    return own(values, transform)
  }
}

type Builder = SelectQueryBuilder<ObjectLiteral>
type Method = (this: Builder, ...args: unknown[]) => Builder

/** Has builders of updates set followers with their leaders. Only the instances of this DataSource are changed. */
export function followUpdates(dataSource: DataSource, methods: ReplacedMethods): void {
  methods.replace(dataSource, 'createQueryBuilder', (original) => {
    const create = original as (...args: unknown[]) => Builder
    return ((...args: unknown[]) => Object.assign(create(...args), { update })) as typeof original
  })
}

function update(this: Builder, ...args: unknown[]): Builder {
  const classOf = Object.getPrototypeOf(this) as { update: Method }
  const builder = classOf.update.apply(this, args)
  const setters = Object.getPrototypeOf(builder) as { set: Method }
  const set = (values: object): Builder => setters.set.call(builder, withFollowers(builder, values))
  Object.assign(builder, { set })
  const { valuesSet } = builder.expressionMap as { valuesSet?: object }
  return valuesSet && Object.keys(valuesSet).length > 0 ? set(valuesSet) : builder
}

function withFollowers({ expressionMap: { mainAlias } }: Builder, values: object): object {
  if (mainAlias?.hasMetadata !== true) return values
  const all = boundColumns(mainAlias.metadata).flatMap((column) => mirrors.get(column) ?? [])
  const set = { ...values }
  for (const { leader, follower } of all) {
    const value: unknown = leader.getEntityValue(values)
    // Of a leader on its way into a statement `save` has set the follower already.
    if (value === undefined || value instanceof PendingCiphertext || SealedValue.of(value)) continue
    follower.setEntityValue(set, value)
  }
  return set
}

/** Why a statement must not be sent that writes a leader and leaves its follower as it was. */
export function mirrorRefusal({ inserts, assignments, tables }: Statement): Refusal | undefined {
  for (const { table, columns } of inserts) {
    const refusal = table && missing(table, new Set(columns.map(({ name }) => name)))
    if (refusal) return refusal
  }
  if (assignments.length === 0) return undefined
  const assigned = new Set(assignments.map(({ name }) => name))
  for (const { table } of tables) {
    const refusal = missing(table, assigned)
    if (refusal) return refusal
  }
  return undefined
}

function missing({ columns }: CatalogueTable, written: ReadonlySet<string>): Refusal | undefined {
  for (const column of columns.filter(({ isEncrypted }) => isEncrypted).flatMap(boundColumnsOf)) {
    const mirror = mirrors.get(column)
    if (!mirror) continue
    const { leader, follower } = mirror
    if (!written.has(leader.databaseName) || written.has(follower.databaseName)) continue
    return () =>
      column.error(
        RawSqlRefusedError,
        `the statement writes ${leader.propertyPath} and leaves ${follower.propertyPath} as it was, which holds the same value: pass values to save(), insert(), update() or upsert(), or name both columns.`,
      )
  }
  return undefined
}
