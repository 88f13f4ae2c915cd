import { type LoadEvent, type ObjectLiteral } from 'typeorm'
import { KmsEncryptionError, NotTriedError } from '../../errors'
import { boundColumns } from '../bound-columns'
import { type BoundColumn } from '../bound-column'
import { type RowRecipe } from '../recipe'
import { SealedValue } from '../sealed-value'
import { valuesOf } from '../entity-row'
import { valueFrom } from './hydration'
import { isMarked } from './marked'
import { isUnread } from './on-read'
import { type Opened } from './opened-results'
import { type Opening, openTogether } from './opening'

/** Opens what hydration could not. TypeORM calls it for all entities of a result, and then waits for them together. */
export function openSealed(
  entity: ObjectLiteral,
  event?: LoadEvent<ObjectLiteral>,
): Promise<unknown> | undefined {
  if (!event) return undefined
  const sealed = boundColumns(event.metadata.findInheritanceMetadata(entity)).flatMap((column) => {
    if (isUnread(column, entity)) return []
    const value = SealedValue.of(column.metadata.getEntityValue(entity))
    return value && !value.isCompared ? [open(entity, column, value, Page.of(event.queryRunner))] : []
  })
  if (sealed.length === 0) return undefined
  const all = Promise.all(sealed)
  // TypeORM leaves it to itself when another listener fails at once.
  all.catch(() => undefined)
  return all
}

async function open(
  entity: ObjectLiteral,
  column: BoundColumn,
  value: SealedValue,
  page: Page,
): Promise<void> {
  try {
    const opened = value.failure ?? (await page.open(column, value.stored, entity))
    // The read fails with what could not be decrypted, and not with what was not tried because of it.
    if (opened instanceof NotTriedError) await new Promise(setImmediate)
    if (opened instanceof KmsEncryptionError) throw opened
    if (opened) column.metadata.setEntityValue(entity, valueFrom(opened, column.scheme))
  } catch (error) {
    const failure = column.placed(error, entity)
    if (!isMarked(column, failure)) throw failure
    column.metadata.setEntityValue(entity, new SealedValue(column, value.stored, failure).placeholder)
  }
}

function recipeOf(entity: ObjectLiteral, column: BoundColumn): RowRecipe {
  return column.recipes.constant ?? column.recipeOfStored(valuesOf(entity, column.metadata.entityMetadata))
}

/** What hydration left over of one result: opened together, once TypeORM has called for each of its entities. */
class Page {
  static readonly #pages = new WeakMap<object, Page>()
  readonly #values: Opening[] = []
  readonly #opened: Promise<unknown>

  /** The page that is being collected for the results of a query runner. */
  static of(queryRunner: object): Page {
    let page = Page.#pages.get(queryRunner)
    if (!page) Page.#pages.set(queryRunner, (page = new Page(() => Page.#pages.delete(queryRunner))))
    return page
  }

  /** `begin` is called when it is complete. TypeORM calls for all entities of a result in one step. */
  private constructor(begin: () => void) {
    this.#opened = Promise.resolve().then(() => {
      begin()
      return openTogether(this.#values)
    })
  }

  async open(
    column: BoundColumn,
    stored: Opening['stored'],
    entity: ObjectLiteral,
  ): Promise<Opened | undefined> {
    const value: Opening = {
      column,
      recipe: recipeOf(entity, column),
      stored,
      bytes: column.opener.bytesOf(stored),
      row: () => column.metadata.entityMetadata.getEntityIdMap(entity),
      opened: undefined,
    }
    this.#values.push(value)
    await this.#opened
    return value.opened
  }
}
