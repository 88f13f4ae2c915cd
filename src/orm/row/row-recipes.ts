import { type Recipe } from '../../cipher/cipher'
import { type EncryptionContext, serialiseContext } from '../../cipher/context'
import { checkPairName } from '../../cipher/pairs'
import { type Scope, type Tally } from '../../cipher/scope'
import { ScopeTemplate } from '../../cipher/scope-template'
import { type RowProperty } from '../../column/row-properties'
import { type KeyId } from '../../column/options'
import { type Queries } from '../../dialects/dialect'
import { KmsEncryptionError, RowUnknownError } from '../../errors'
import { type Recipes, type RowContext, type RowRecipe, type RowValues, type Scopes } from '../recipe'
import { type BindableColumn } from './bindable-column'
import { keyIdFor } from './key-id'

/** What the values of a column are bound to under one setting, current or previous. */
export interface RowSetting {
  readonly context: EncryptionContext
  readonly binding: EncryptionContext
  readonly row: readonly RowProperty[]
  readonly keyPer: readonly RowProperty[]
}

/** How values are encrypted, whatever row they are for. */
export type Sealing = Omit<Recipe, 'keyId' | 'scope'> & {
  readonly keyId: KeyId
  /** Contexts of rows that are remembered. */
  readonly maxContexts: number
}

/** A setting whose properties are known as columns. */
class BoundSetting {
  /** In the order of the template's values. */
  readonly columns: readonly BindableColumn[]
  readonly context: RowContext
  readonly #template: ScopeTemplate

  constructor(
    { context, binding, row, keyPer }: RowSetting,
    columnOf: (property: string, option: string) => BindableColumn,
    tally: Tally,
    place: { entity: string; property: string },
    maxContexts: number,
  ) {
    const named = (properties: readonly RowProperty[], option: string): [string, BindableColumn][] =>
      properties.map(({ name, property }) => {
        const column = columnOf(property, option)
        return [name ?? column.name, column]
      })
    const keys = named(keyPer, 'keyPer')
    const rows = named(row, 'boundTo.row')
    for (const [name] of keys) checkPairName(name, context, place)
    for (const [name] of rows) checkPairName(name, context, place)
    const perRow = keys.map(([name, column]) => ({ name, column }))
    this.context = { fixed: context, direct: { ...context, ...binding }, perRow }
    this.columns = [...keys, ...rows].map(([, column]) => column)
    const names = (pairs: readonly [string, BindableColumn][]): string[] => pairs.map(([name]) => name)
    this.#template = new ScopeTemplate({ context, binding }, names(keys), names(rows), tally, maxContexts)
  }

  scopeOf(row: RowValues): Scope {
    // This runs for each row. An array that grows takes room for more.
    const texts = new Array<string>(this.columns.length)
    for (let at = 0; at < this.columns.length; at++) {
      const column = this.columns[at]
      if (column) texts[at] = column.textOf(row(column.name))
    }
    return this.#template.of(texts)
  }
}

/** The recipes of a column whose values are bound to their row, or keyed by it; now or in `previous` settings. */
export class RowRecipes implements Recipes {
  readonly constant = undefined
  readonly mode: Recipe['mode']
  readonly #sealing: Sealing
  readonly #settings: readonly RowSetting[]
  readonly #tally: Tally
  readonly #place: { entity: string; property: string }
  check: ((queries: Queries) => Promise<void>) | undefined
  #current: BoundSetting | undefined
  #previous: readonly BoundSetting[] = []
  #dependsOn: readonly BindableColumn[] = []
  #opensBy: readonly BindableColumn[] = []
  #isKeyedByRow = true
  #last: RowRecipe | undefined

  constructor(
    sealing: Sealing,
    settings: readonly RowSetting[],
    tally: Tally,
    place: { entity: string; property: string },
  ) {
    this.mode = sealing.mode
    this.#sealing = sealing
    this.#settings = settings
    this.#tally = tally
    this.#place = place
  }

  get keyId(): string | undefined {
    const { keyId } = this.#sealing
    return typeof keyId === 'string' ? keyId : undefined
  }

  /**
   * Finds the columns, once the metadata of the entity is complete. Throws for properties that cannot be bound to.
   * `check`: asks the database about them.
   */
  resolve(
    columnOf: (property: string, option: string) => BindableColumn,
    check: (queries: Queries) => Promise<void>,
  ): void {
    this.check = check
    const [current, ...previous] = this.#settings.map(
      (setting) => new BoundSetting(setting, columnOf, this.#tally, this.#place, this.#sealing.maxContexts),
    )
    this.#current = current
    this.#previous = previous
    this.#dependsOn = current?.columns ?? []
    this.#opensBy = [...new Set([...this.#dependsOn, ...previous.flatMap(({ columns }) => columns)])]
    this.#isKeyedByRow = current === undefined || current.context.perRow.length > 0
  }

  get dependsOn(): readonly BindableColumn[] {
    return this.#dependsOn
  }

  get opensBy(): readonly BindableColumn[] {
    return this.#opensBy
  }

  get contexts(): readonly RowContext[] {
    const settings = this.#current ? [this.#current, ...this.#previous] : []
    return settings.map(({ context }) => context)
  }

  keyIdFor(context: EncryptionContext): string {
    const contextKey = serialiseContext(context).toString('latin1')
    return this.#keyIdFor({ context, contextKey })
  }

  get keyed(): RowRecipe | undefined {
    return this.#isKeyedByRow ? undefined : this.#last
  }

  get usesStoredKey(): boolean {
    return this.#sealing.usesStoredKey === true
  }

  of(row: RowValues): RowRecipe {
    if (!this.#current) throw new RowUnknownError('the DataSource is not initialised', this.#place)
    try {
      const scope = this.#current.scopeOf(row)
      const { mode, usesStoredKey = false } = this.#sealing
      const key = this.#keyIdFor(scope)
      const scopes: Scopes =
        this.#previous.length === 0
          ? [scope]
          : [scope, ...this.#previous.flatMap((setting) => scopeIfKnown(setting, row))]
      // Made for each value: a literal of few members is what costs least.
      return (this.#last = { mode, keyId: key, usesStoredKey, scope, scopes })
    } catch (error) {
      throw error instanceof KmsEncryptionError ? error.at(this.#place) : error
    }
  }

  #keyIdFor(scope: Pick<Scope, 'context' | 'contextKey'>): string {
    const { keyId, maxContexts } = this.#sealing
    return keyIdFor(keyId, scope, this.#place, maxContexts)
  }
}

/** A row need not have what only its earlier values were bound to. */
function scopeIfKnown(setting: BoundSetting, row: RowValues): Scope[] {
  try {
    return [setting.scopeOf(row)]
  } catch (error) {
    if (error instanceof RowUnknownError) return []
    throw error
  }
}
