import { setTimeout as sleep } from 'node:timers/promises'
import { type DataSource } from 'typeorm'
import { type EncryptionContext } from '../../cipher/context'
import { contextText } from '../../cipher/data-keys/store'
import { InvalidOptionError, KeyTableUnavailableError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { encryptedColumns } from '../encrypted-columns'
import { EmptyIndexes } from '../indexes/empty-indexes'
import { Pass } from '../pass'
import { withRunner } from '../target'
import { contextsOf, hasPairs, type OwnDataKey, ownDataKeys } from './column-contexts'
import { countForgotten, type ForgottenColumn } from './forget-count'
import { described, type ForgetReport, type ForgetState, remainsOf } from './forget-report'
import { KeyTableRows } from './key-table-rows'

/** The steps of forgetting the contexts that have some pairs, each on its own. */
export class Forgetting {
  readonly #dataSource: DataSource
  readonly #pairs: EncryptionContext
  readonly #emptyContext: boolean
  readonly #rows: KeyTableRows
  readonly #columns: readonly BoundColumn[]

  /** Throws `InvalidOptionError` in a transaction of the only connection. */
  constructor(dataSource: DataSource, pairs: EncryptionContext, emptyContext = false) {
    if (!dataSource.isInitialized) throw new InvalidOptionError('the DataSource is not initialised')
    this.#dataSource = dataSource
    this.#pairs = pairs
    this.#emptyContext = emptyContext
    this.#rows = new KeyTableRows(dataSource)
    this.#columns = encryptedColumns(dataSource)
    if (this.#rows.table.isTentative) {
      throw new InvalidOptionError(
        'forgetting cannot be part of a transaction: what is destroyed in it would come back with a rollback',
      )
    }
  }

  /** All data keys in contexts of the application that have the pairs. */
  async find(): Promise<OwnDataKey[]> {
    const own = ownDataKeys(await this.#rows.all(), contextsOf(this.#columns))
    return own.filter(({ context }) => hasPairs(context, this.#pairs))
  }

  count(own: readonly OwnDataKey[]): Promise<ForgottenColumn[]> {
    const ids = own.map(({ row }) => row.id)
    return withRunner(this.#dataSource, (queryRunner) =>
      countForgotten(queryRunner, this.#columns, ids, this.#contextsOf(own)),
    )
  }

  /** Without pairs the contexts are those of the data keys. */
  #contextsOf(own: readonly OwnDataKey[]): EncryptionContext[] {
    if (Object.keys(this.#pairs).length > 0) return [this.#pairs]
    return [...new Map(own.map(({ context }) => [contextText(context), context])).values()]
  }

  async retire(own: readonly OwnDataKey[], at: Date, destroyAt: Date): Promise<OwnDataKey[]> {
    const retired = this.#changed(own, await this.#rows.retire(rowsOf(own), at, destroyAt))
    this.#forgetInMemory()
    return retired
  }

  async restore(own: readonly OwnDataKey[]): Promise<ForgetReport> {
    const restored = this.#changed(own, await this.#rows.restore(rowsOf(own)))
    const lost = restored.filter(({ row }) => row.destroyedAt).length
    if (lost > 0) {
      throw new KeyTableUnavailableError(
        `${lost} of ${restored.length} data keys were destroyed before that could be undone. Only a backup of ${this.#rows.table.name} has them.`,
      )
    }
    return this.report('restored', restored, await this.count(restored))
  }

  /** Waits for the lease, counts again, and destroys. Indexes go first: where that is ended, it can be repeated. */
  async destroy(own: readonly OwnDataKey[]): Promise<ForgetReport> {
    // Whoever saw a row alive just before may seal under it for as long.
    await sleep(this.#rows.table.settings.lease)
    const columns = await this.count(own)
    await this.#emptyIndexes(own)
    const emptyContext = this.#emptyContext
    const gone = this.#changed(own, await this.#rows.destroy(rowsOf(own), new Date(), { emptyContext }))
    this.#forgetInMemory()
    const left = gone.filter(({ row }) => !row.destroyedAt || row.encrypted).length
    if (left > 0) {
      throw new KeyTableUnavailableError(
        `${left} of ${gone.length} data keys were not destroyed, because somebody undid it meanwhile. The others are destroyed.`,
      )
    }
    return this.report('destroyed', gone, columns, await this.#madeMeanwhile(own))
  }

  async #emptyIndexes(own: readonly OwnDataKey[]): Promise<void> {
    const ids = own.flatMap(({ row }) => (row.purpose === 'value' ? [row.id] : []))
    if (ids.length === 0) return
    for (const column of this.#columns) {
      const work = new EmptyIndexes(column, ids)
      if (work.indexes.length > 0) await new Pass(column, work, {}).run(this.#dataSource)
    }
  }

  report(
    state: ForgetState,
    own: readonly OwnDataKey[],
    columns: readonly ForgottenColumn[],
    madeMeanwhile = 0,
  ): ForgetReport {
    const rows = rowsOf(own)
    const { name: keyTable, settings } = this.#rows.table
    const destroyedAt = latest(rows.map((row) => row.destroyedAt))
    const inMemory = (this.#columns[0]?.cipher.dataKeys.maxAge ?? 0) + settings.lease
    const isOver = state === 'nothing' || state === 'restored'
    return {
      state,
      pairs: this.#pairs,
      keyTable,
      dataKeys: described(own),
      columns,
      rows: columns.reduce((sum, column) => sum + column.rows, 0),
      kmsKeys: [...new Set(rows.map(({ keyReference }) => keyReference))].sort(),
      retiredAt: latest(rows.map((row) => row.retiredAt)),
      destroyAt: latest(rows.map((row) => row.destroyAt)),
      destroyedAt,
      inMemoryUntil: destroyedAt && new Date(destroyedAt.getTime() + inMemory),
      madeMeanwhile,
      remains: isOver ? [] : remainsOf({ keyTable, columns, madeMeanwhile }, !this.#emptyContext),
    }
  }

  /** Whoever goes on to write for the context makes a new data key. */
  async #madeMeanwhile(own: readonly OwnDataKey[]): Promise<number> {
    const contexts = new Set(own.map(({ row }) => row.contextHash.toString('hex')))
    const made = ({ row }: OwnDataKey): boolean =>
      !row.destroyedAt && !row.destroyAt && contexts.has(row.contextHash.toString('hex'))
    return (await this.find()).filter(made).length
  }

  /** This process asks the table again. Others do so within the lease before they seal. */
  #forgetInMemory(): void {
    for (const { cipher } of this.#columns) cipher.storedKeys?.clear()
  }

  /** The same data keys with their rows as they are now. */
  #changed(own: readonly OwnDataKey[], rows: readonly OwnDataKey['row'][]): OwnDataKey[] {
    const byId = new Map(rows.map((row) => [row.id.toString('hex'), row]))
    return own.map((each) => {
      const id = each.row.id.toString('hex')
      const row = byId.get(id)
      if (row) return { ...each, row }
      throw new KeyTableUnavailableError(
        `the row of the data key ${id} was removed from ${this.#rows.table.name} meanwhile. Restore it: without it, forgotten values look lost.`,
      )
    })
  }
}

function rowsOf(own: readonly OwnDataKey[]): OwnDataKey['row'][] {
  return own.map(({ row }) => row)
}

function latest(dates: readonly (Date | undefined)[]): Date | undefined {
  const times = dates.flatMap((date) => (date ? [date.getTime()] : []))
  return times.length === 0 ? undefined : new Date(Math.max(...times))
}
