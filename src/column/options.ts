import { type EncryptionContext } from '../cipher/context'
import { type Mode } from '../cipher/cipher'
import { type ForeignFormat } from './foreign-format'
import { type RedactOption } from './redaction'
import { type RowProperties } from './row-properties'
import { type SearchOption, type Unique } from './search'
import { type ValueTypeName } from './types'

export { type RowProperties }

/**
 * A KMS key: its id, ARN or alias; or a function that names one for an encryption context, e.g. a key per tenant. The
 * function gets the whole context, with the pairs of `keyPer`. It is called once per context and remembered, so it
 * must give the same key for the same context. It must not be async.
 */
export type KeyId = string | ((context: EncryptionContext) => string)

/** How values of a column were written before its table, name, context, key or mode changed. */
export interface PreviousSettings {
  /** The encryption context of then. Default: that of now, with the table of `boundTo` if that is given. */
  context?: EncryptionContext
  /**
   * The table and column names of then, and the properties of the row that values were bound to. Default: those of
   * now. `row: []` says that they were bound to no row.
   */
  boundTo?: { table?: string; column?: string; row?: RowProperties }
  /** What values were keyed by. Default: what they are now. `[]` says that it was nothing. */
  keyPer?: RowProperties
  /** The KMS key of then. Reading does not need it: KMS recognises the key. */
  keyId?: KeyId
  /** The mode of then. Reading does not need it: the ciphertext tells. */
  mode?: Mode
}

/** What a write stores. */
export type Writes = 'ciphertext' | 'plaintext'

/** `writes` of all columns: for each, or a function that is asked at each write, so that a feature flag can decide. */
export type WritesOption = Writes | ((column: { entity: string; property: string }) => Writes)

/** What becomes of a value that cannot be decrypted when its entity is loaded. */
export type OnUndecryptable = 'throw' | 'marker'

/** When a loaded value is opened: with its entity, or when the property is read for the first time. */
export type Open = 'on-load' | 'on-read'

/** Options of `@KmsEncrypted()` and `kmsEncryptedColumn()`. */
export interface KmsEncryptedOptions<
  Type extends ValueTypeName = ValueTypeName,
  Nullable extends boolean = boolean,
> {
  /**
   * JavaScript type of the property. Default: what TypeScript says of it (`design:type`); a class, an interface or
   * a union is `'json'`. Compilers that emit no decorator metadata (esbuild, tsx, vite) need it given.
   */
  type?: Type
  /** `'envelope'`: any size, local AES-256-GCM. `'direct'`: KMS Encrypt per value, at most 4096 bytes. */
  mode?: Mode
  /** Id, ARN or alias of the KMS key, or a function of the context. Default: that of `kmsEncryption()`. */
  keyId?: KeyId
  /** KMS encryption context. Default: that of `kmsEncryption()`, else `{ table: <table name> }`. */
  context?: EncryptionContext
  /**
   * The table and column that values are bound to. Default: the column's own. For a view, a second entity over the
   * same table, or a column that was renamed: the names under which the values were written.
   */
  boundTo?: {
    table?: string
    column?: string
    /**
     * Properties of the same row, by name or as `{ name: property }`. A value opens only in a row that has the values
     * that these had when it was written. They must be NOT NULL integers, uuids, booleans, bytes of variable length,
     * or texts that the database compares exactly; at most 1,024 bytes as text. Paths lead into embedded entities.
     *
     * Given as a list, the pair is called like the column in the database; given as `{ name: property }`, it has that
     * name for ever.
     *
     * @example `boundTo: { row: ['id'] }`, `boundTo: { row: { tenant: 'tenantId' } }`
     */
    row?: RowProperties
  }
  /**
   * Properties of the same row whose values join the encryption context: each distinct value has data keys of its own.
   * The rules are those of `boundTo.row`.
   *
   * @example `keyPer: ['tenantId']`
   */
  keyPer?: RowProperties
  /**
   * Earlier settings under which values can still be opened, tried in order where the current ones do not open a
   * value. `rotateColumns` brings the rows up to date; then this can go.
   */
  previous?: readonly PreviousSettings[]
  /** `'binary'` (default) or `'text'`: base64 of the same bytes. */
  storage?: 'binary' | 'text'
  /**
   * Most bytes of a value (a string counts its UTF-8 bytes; other types their serialised form). Makes the column a
   * `varbinary` or `varchar` of the exact size on MySQL, or a larger blob where the value may be over 64 KB.
   */
  maxLength?: number
  /** Reads values that are still plaintext, for the time of a migration. What is written is encrypted. */
  acceptPlaintext?: boolean
  /**
   * Reads values that other programs encrypted, for the time of a migration: formats of `typeorm-kms-encrypted/formats`,
   * or functions of your own. `typeorm-kms encrypt` converts the values. What is written is encrypted by the library.
   */
  acceptFormats?: readonly ForeignFormat[]
  /**
   * Hides the value where its entity is printed: `true` from `util.inspect` and `console.log`, `{ json: true }` from
   * `JSON.stringify` as well. The property keeps its value. Default: that of `kmsEncryption()`, else `false`.
   */
  redact?: RedactOption
  /**
   * Another property of the entity, not encrypted, whose values the column is written with: for a new column beside one
   * that it will replace. Nobody reads it meanwhile. `nullable` is needed. See docs/migrations.md#expand-and-contract.
   */
  mirrorOf?: string
  /**
   * Another property of the entity, not encrypted, whose column is written with the values of this one, as plaintext:
   * while instances are running that read it. It must be nullable.
   */
  mirrorTo?: string
  /**
   * What a write stores, for the time of a roll-out: `'plaintext'` while instances are running that do not decrypt yet.
   * Needs `acceptPlaintext: true`. The plaintext is then in the database and its logs, as that of any other column.
   * Default: that of `kmsEncryption()`, else `'ciphertext'`.
   */
  writes?: Writes
  /**
   * What becomes of a value that cannot be decrypted: `'throw'` fails the whole read; with `'marker'` the property
   * is a marker (see `undecryptable()`) that throws when it is read as plaintext. Default: that of
   * `kmsEncryption()`.
   */
  onUndecryptable?: OnUndecryptable
  /**
   * When a loaded value is opened: `'on-load'` (default), or with `'on-read'` when the property is read for the first
   * time, for lists that do not show it. Until then the property is an accessor, and who reads it meets what fails.
   * Not with mode `'direct'`, `boundTo.row` or `keyPer`. See docs/on-read.md.
   */
  open?: Open
  /**
   * Rows are found by the value: a blind index (a keyed hash of the value) stands in a column beside, and conditions of
   * equality are answered by it. Says which rows have equal values to whoever reads the database.
   */
  search?: SearchOption
  /** With `search`: no two rows have the same value; with `keyPer`, `'perKey'`: no two of the same tenant. */
  unique?: Unique
  /** Name of the column in the database. */
  name?: string
  /** Whether the column can be NULL; `null` is stored as NULL. Default `false`. */
  nullable?: Nullable
  /** Whether the column is loaded by default. Default `true`. */
  select?: boolean
  /** Whether the column is written on insert. Default `true`. */
  insert?: boolean
  /** Whether the column is written on update. Default `true`. */
  update?: boolean
  /** Comment of the column in the database. */
  comment?: string
}
