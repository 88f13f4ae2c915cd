import {
  type DataSource,
  type EntityManager,
  type EntityMetadata,
  EntityNotFoundError,
  type EntityTarget,
  type FindOneOptions,
  type FindOptionsWhere,
  type ObjectLiteral,
  type SelectQueryBuilder,
} from 'typeorm'
import { boundColumn } from '../bound-columns'
import { classOf, type ReplacedMethods } from '../replaced-methods'
import { type StatementGuard } from '../statement-guard'

/*
 * TypeORM puts what was searched into the error of a search that must find something and does not: as `criteria` and
 * in its message. What was searched in encrypted columns is taken out of both.
 */

type Builder = SelectQueryBuilder<ObjectLiteral>
type Target = EntityTarget<ObjectLiteral>

/** Changes the managers of this one DataSource. A query makes one, too: what they do is made once. */
export function hideSearched(dataSource: DataSource, methods: ReplacedMethods): void {
  const ofManager = managerWithoutSearched(dataSource)
  const { manager } = dataSource
  methods.replace(manager, 'findOneOrFail', () => ofManager.findOneOrFail)
  methods.replace(manager, 'findOneByOrFail', () => ofManager.findOneByOrFail)
  methods.replace(dataSource, 'createEntityManager', (create) => (queryRunner) => {
    const created = create(queryRunner)
    created.findOneOrFail = ofManager.findOneOrFail
    created.findOneByOrFail = ofManager.findOneByOrFail
    return created
  })
}

/** What managers do instead of the methods of their class. */
function managerWithoutSearched(
  dataSource: DataSource,
): Pick<EntityManager, 'findOneOrFail' | 'findOneByOrFail'> {
  const without = (target: Target, where: unknown) => withoutValues(dataSource.getMetadata(target), where)
  return {
    findOneOrFail<Entity extends ObjectLiteral>(
      this: EntityManager,
      target: EntityTarget<Entity>,
      options: FindOneOptions<Entity>,
    ) {
      const found = classOf(this).findOneOrFail.call(this, target, options) as Promise<Entity>
      return found.catch((error: unknown) => {
        const where = without(target, options.where)
        throw withCriteria(error, () => (where === options.where ? options : { ...options, where }))
      })
    },
    findOneByOrFail<Entity extends ObjectLiteral>(
      this: EntityManager,
      target: EntityTarget<Entity>,
      where: FindOptionsWhere<Entity> | FindOptionsWhere<Entity>[],
    ) {
      const found = classOf(this).findOneByOrFail.call(this, target, where) as Promise<Entity>
      return found.catch((error: unknown) => {
        throw withCriteria(error, () => without(target, where))
      })
    },
  }
}

/** What builders do instead of `getOneOrFail` of their class. */
export function oneWithoutSearched(statements: () => StatementGuard | undefined): Builder['getOneOrFail'] {
  return function (this: Builder) {
    return classOf(this)
      .getOneOrFail.call(this)
      .catch((error: unknown) => {
        throw withCriteria(error, () => withoutParameters(this, statements()))
      })
  }
}

/** The stack holds no message: TypeORM sets it later. What shows no such value stays the very object. */
function withCriteria(error: unknown, criteria: () => unknown): unknown {
  if (!(error instanceof EntityNotFoundError)) return error
  const shown = criteria()
  if (shown === error.criteria) return error
  const { message } = new EntityNotFoundError(error.entityClass, shown)
  return Object.assign(error, { message, criteria: shown })
}

/** A condition of find options without the values of encrypted columns; itself, if it has none. */
function withoutValues(metadata: EntityMetadata, where: unknown, prefix = ''): unknown {
  if (Array.isArray(where)) {
    const all: unknown[] = where.map((each) => withoutValues(metadata, each, prefix))
    return all.every((each, place) => each === where[place]) ? where : all
  }
  if (!isPlain(where)) return where
  const entries = Object.entries<unknown>(where).map(([property, value]): [string, unknown] => {
    const path = prefix + property
    const column = metadata.findColumnWithPropertyPath(path)
    const bound = column && boundColumn(column)
    if (bound) return [property, hidden(bound.name)]
    const relation = metadata.findRelationWithPropertyPath(path)
    return relation
      ? [property, withoutValues(relation.inverseEntityMetadata, value)]
      : [property, withoutValues(metadata, value, `${path}.`)]
  })
  return entries.every(([property, value]) => value === where[property]) ? where : Object.fromEntries(entries)
}

/** The parameters of a builder without those that its statement searches in encrypted columns. */
function withoutParameters(builder: Builder, statements: StatementGuard | undefined): ObjectLiteral {
  const [sql, sent]: [string, unknown[]] = builder.getQueryAndParameters()
  const searched = new Map(
    (statements?.checkCached(sql)?.searched ?? []).map(({ parameter, index }) => [sent[parameter], index]),
  )
  if (searched.size === 0) return builder.expressionMap.parameters
  const left = new Set(searched.keys())
  const shown = Object.entries<unknown>(builder.expressionMap.parameters).map(([name, value]) => {
    const found = [value, ...(Array.isArray(value) ? (value as unknown[]) : [])].filter((each) =>
      searched.has(each),
    )
    for (const each of found) left.delete(each)
    const column = searched.get(found[0])?.column
    return [name, column ? hidden(column.name) : value] as const
  })
  // What the driver made something else of cannot be told apart.
  return Object.fromEntries(shown.map(([name, value]) => [name, left.size > 0 ? '[not shown]' : value]))
}

function isPlain(value: unknown): value is ObjectLiteral {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

const hidden = (column: string): string => `[encrypted ${column}]`
