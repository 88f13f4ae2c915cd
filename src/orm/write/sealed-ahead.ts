import { type QueryRunner } from 'typeorm'
import { type Plaintext } from '../../column/types'
import { type EncryptedColumn } from '../encrypted-column'
import { type Stored } from '../read/value-opener'
import { isSameRecipe, type RowRecipe } from '../recipe'
import { MovedValues } from '../row/moved-values'
import { samePlaintext } from './same-plaintext'

/**
 * Values that are encrypted while the database answers one statement: as many as there is time for. So the next few
 * statements need none, and each does not find the processor's caches full of other things.
 */
const BATCH = 6

/** How far a value is looked for. Mostly it is the next, as TypeORM announces entities in the order of their statements. */
const MAX_DISTANCE = 64

/** What of a column is needed to encrypt its values. */
export type Sealer = Pick<EncryptedColumn, 'encrypt' | 'encryptNow'>

interface Announced {
  plaintext: Plaintext
  /** How it is encrypted: what is made for one row is not stored in another, unless that row's values are encrypted alike. */
  recipe: RowRecipe
  /** Not there until it is encrypted. In direct mode that begins at once. */
  sealed: Stored | Promise<Stored> | undefined
}

/** What was announced for one column, in order. */
interface Queue {
  /** `undefined` for what was taken. */
  values: (Announced | undefined)[]
  /** The place of what will most likely be taken next; before it all is. */
  next: number
  /** The place after those that were encrypted, or tried. */
  unsealed: number
}

/**
 * The values that a query runner will store soon. TypeORM announces all entities of a save before its first
 * statement, and then mostly sends a statement per row and waits for each. In direct mode the calls to KMS are made
 * side by side instead of one after the other; and other values are encrypted while the database is busy, when that
 * costs no time.
 *
 * Only the runner's next statements take from it, and each ciphertext is taken once. At the end of the transaction,
 * or when the runner is released, all that is left is dropped.
 */
export class SealedAhead {
  /** Values that are written only because their row moves. */
  readonly moved = new MovedValues()
  readonly #queues = new Map<Sealer, Queue>()
  /** The contexts of values that were announced since the last statement. */
  readonly #contexts = new Set<string>()
  #isWorkDue = false

  /** Of a query runner. */
  static of(queryRunner: QueryRunner): SealedAhead {
    let ahead = all.get(queryRunner)
    if (!ahead) all.set(queryRunner, (ahead = new SealedAhead()))
    return ahead
  }

  /** Of a query runner for which anything was ever announced. */
  static announcedFor(queryRunner: QueryRunner): SealedAhead | undefined {
    return all.get(queryRunner)
  }

  /** True if nothing is announced. */
  get isEmpty(): boolean {
    return this.#queues.size === 0 && this.moved.isEmpty
  }

  /** Counts the contexts, and so the data keys, of what is announced. */
  announceKey({ scope }: RowRecipe): number {
    return this.#contexts.add(scope.contextKey).size
  }

  /** Announces a value. Returns what to wait for before the first statement: then trouble with KMS shows early. */
  announce(column: Sealer, recipe: RowRecipe, value: Plaintext): Promise<unknown> | undefined {
    // The application may change its Buffer.
    const plaintext = typeof value === 'string' ? value : Buffer.from(value)
    const sealed = recipe.mode === 'direct' ? column.encrypt(plaintext, recipe) : undefined
    // Who waits for it, or takes it, meets the failure.
    sealed?.catch(() => undefined)
    const queue = this.#queues.get(column)
    const announced: Announced = { plaintext, recipe, sealed }
    if (queue) queue.values.push(announced)
    else this.#queues.set(column, { values: [announced], next: 0, unsealed: 0 })
    return sealed
  }

  /** A ciphertext of a value for a row, if such was announced and is encrypted, or being encrypted. */
  take(column: Sealer, recipe: RowRecipe, plaintext: Plaintext): Stored | Promise<Stored> | undefined {
    const queue = this.#queues.get(column)
    if (!queue) return undefined
    const { values } = queue
    const end = Math.min(queue.next + MAX_DISTANCE, values.length)
    for (let at = queue.next; at < end; at++) {
      const announced = values[at]
      if (!announced || !samePlaintext(announced.plaintext, plaintext)) continue
      if (!isSameRecipe(announced.recipe, recipe)) continue
      values[at] = undefined
      while (queue.next < values.length && !values[queue.next]) queue.next++
      if (queue.next === values.length) this.#queues.delete(column)
      return announced.sealed
    }
    return undefined
  }

  /** Encrypts some of the values that the next statements will need, once the one before them is on its way. */
  workLater(): void {
    if (this.#contexts.size > 0) this.#contexts.clear()
    if (this.isEmpty || this.#isWorkDue) return
    this.#isWorkDue = true
    setImmediate(() => {
      this.#isWorkDue = false
      for (const [column, queue] of this.#queues) sealNext(column, queue)
    })
  }

  /** Drops all that is announced. */
  clear(): void {
    this.#queues.clear()
    this.moved.clear()
  }
}

const all = new WeakMap<QueryRunner, SealedAhead>()

/** Encrypts the next values, if all that were encrypted before are taken. */
function sealNext(column: Sealer, queue: Queue): void {
  const { values, next, unsealed } = queue
  if (unsealed > next) return
  const end = Math.min(next + BATCH, values.length)
  for (let at = next; at < end; at++) {
    const announced = values[at]
    if (announced) announced.sealed ??= column.encryptNow(announced.plaintext, announced.recipe)
  }
  queue.unsealed = end
}
