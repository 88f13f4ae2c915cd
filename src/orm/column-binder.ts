import { type DataSource } from 'typeorm'
import { type Cipher, type Recipe } from '../cipher/cipher'
import { type IndexKeys } from '../cipher/blind-index/index-keys'
import { type EncryptionContext } from '../cipher/context'
import { Scope } from '../cipher/scope'
import { DeclaredColumn } from '../column/declared-column'
import { type KeyId, type OnUndecryptable, type PreviousSettings, type WritesOption } from '../column/options'
import { type RedactOption } from '../column/redaction'
import { rowPropertiesOf } from '../column/row-properties'
import { type Scheme } from '../column/scheme'
import { dialectOf } from '../dialects'
import { InvalidOptionError, KeyIdMissingError } from '../errors'
import { BoundColumn } from './bound-column'
import { boundTable } from './bound-table'
import { deliveryOf, storedType } from './column-type'
import { refuseBorrowed } from './declarations'
import { type KeyTableSettings } from './key-table/key-table-options'
import { type OpenedResults } from './read/opened-results'
import { openOnRead } from './read/on-read'
import { constantRecipes, type Recipes } from './recipe'
import { keyIdFor } from './row/key-id'
import { RowRecipes, type RowSetting } from './row/row-recipes'
import { type ColumnMetadata } from './typeorm-types'
import { watchValues } from './watched-values'
import { PlaintextWrites } from './write/plaintext-writes'

/** What columns take over where they say nothing themselves. */
export interface ColumnDefaults {
  keyId: KeyId | undefined
  mode: Recipe['mode']
  context: EncryptionContext | undefined
  onUndecryptable: OnUndecryptable | undefined
  writes: WritesOption | undefined
  redact: RedactOption | undefined
  /** Of blind indexes; `undefined` where the options name no index key. */
  indexRoot: IndexKeys | undefined
  dataKeys: KeyTableSettings
}

/** Binds the encrypted columns of a DataSource while their metadata is built. */
export class ColumnBinder {
  readonly #dataSource: DataSource
  readonly #cipher: Cipher
  readonly #defaults: ColumnDefaults
  readonly #opened: OpenedResults

  constructor(dataSource: DataSource, cipher: Cipher, defaults: ColumnDefaults, opened: OpenedResults) {
    this.#dataSource = dataSource
    this.#cipher = cipher
    this.#defaults = defaults
    this.#opened = opened
  }

  /** Does nothing for a column that is not encrypted, or bound already. Throws `KmsEncryptionError`. */
  bind(metadata: ColumnMetadata): void {
    const declared = DeclaredColumn.of(metadata.transformer)
    if (!declared) {
      refuseBorrowed(metadata)
      return
    }
    const { scheme } = declared
    const recipes = this.#recipes(metadata, scheme)
    const dialect = dialectOf(this.#dataSource.options)
    const { type, length } = storedType(dialect, recipes.mode, scheme.options)
    metadata.type = type
    if (length !== undefined) metadata.length = String(length)
    const delivery = deliveryOf(dialect, scheme.options)
    const bound = new BoundColumn(
      metadata,
      scheme,
      recipes,
      this.#cipher,
      this.#opened,
      scheme.options.onUndecryptable ?? this.#defaults.onUndecryptable,
      delivery,
      PlaintextWrites.of(scheme.options, this.#defaults.writes, placeOf(metadata), dialect, delivery),
    )
    metadata.transformer = bound
    watchValues(metadata, bound)
    if (bound.opensOnRead) openOnRead(bound)
  }

  #recipes(metadata: ColumnMetadata, { options }: Scheme): Recipes {
    const place = placeOf(metadata)
    const keyId = options.keyId ?? this.#defaults.keyId
    if (keyId === undefined) {
      throw new KeyIdMissingError(
        "no KMS key is named. Pass kmsEncryption({ keyId: 'alias/my-app' }), or keyId to the column.",
        place,
      )
    }
    const mode = options.mode ?? this.#defaults.mode
    const usesStoredKey = mode === 'envelope' && this.#defaults.dataKeys.seals
    const tally = this.#cipher.tally(place.entity, place.property)
    const maxContexts = this.#cipher.dataKeys.maxKeys
    const settings = [this.#setting(metadata, options), ...this.#previous(metadata, options)]
    const [now] = settings
    if (now && now.row.length > 0 && !Object.hasOwn(now.context, 'table')) {
      throw new InvalidOptionError(
        `boundTo.row binds a value to its row, and the context of the column does not say of which table: a row of another table under the same context could have it. Add the table to it (context: { table: '${metadata.entityMetadata.tableName}', … }), or leave context out.`,
        place,
      )
    }
    if (settings.some(({ row, keyPer }) => row.length + keyPer.length > 0)) {
      return new RowRecipes({ mode, keyId, usesStoredKey, maxContexts }, settings, tally, place)
    }
    const [scope, ...previous] = settings.map(
      ({ context, binding }) => new Scope(context, binding, tally),
    ) as [Scope, ...Scope[]]
    const key = keyIdFor(keyId, scope, place, maxContexts)
    return constantRecipes({ mode, keyId: key, scope, usesStoredKey }, previous)
  }

  /** What values are bound to now. */
  #setting({ entityMetadata, databaseName }: ColumnMetadata, options: Scheme['options']): RowSetting {
    const { boundTo = {}, keyPer } = options
    const table = boundTo.table ?? boundTable(entityMetadata, this.#dataSource.options.type)
    return {
      // A copy: what the application does to its object later changes nothing.
      context: { ...(options.context ?? this.#defaults.context ?? { table }) },
      binding: { column: boundTo.column ?? databaseName },
      row: rowPropertiesOf(boundTo.row),
      keyPer: rowPropertiesOf(keyPer),
    }
  }

  /** What the values of earlier settings are bound to. A table that was renamed changes the default context. */
  #previous(
    { entityMetadata, databaseName }: ColumnMetadata,
    { boundTo: now, context: given, keyPer, previous = [] }: Scheme['options'],
  ): RowSetting[] {
    const own = now?.table ?? boundTable(entityMetadata, this.#dataSource.options.type)
    return previous.map(({ context, boundTo = {}, keyPer: keyedThen }: PreviousSettings) => {
      const table = boundTo.table ?? own
      const same = boundTo.table === undefined ? (given ?? this.#defaults.context) : undefined
      return {
        context: { ...(context ?? same ?? { table }) },
        binding: { column: boundTo.column ?? now?.column ?? databaseName },
        row: rowPropertiesOf(boundTo.row ?? now?.row),
        keyPer: rowPropertiesOf(keyedThen ?? keyPer),
      }
    })
  }
}

function placeOf({ entityMetadata, propertyPath }: ColumnMetadata): { entity: string; property: string } {
  return { entity: entityMetadata.name, property: propertyPath }
}
