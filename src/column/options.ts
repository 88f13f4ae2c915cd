import { type EncryptionContext } from '../cipher/context'
import { type Mode } from '../cipher/cipher'
import { type ValueTypeName } from './types'

/** How values of a column were written before its table, name, context, key or mode changed. */
export interface PreviousSettings {
  /** The encryption context of then. Default: that of now, with the table of `boundTo` if that is given. */
  context?: EncryptionContext
  /** The table and column names of then. Default: those of now. */
  boundTo?: { table?: string; column?: string }
  /** The KMS key of then. Reading does not need it: KMS recognises the key. */
  keyId?: string
  /** The mode of then. Reading does not need it: the ciphertext tells. */
  mode?: Mode
}

/** What becomes of a value that cannot be decrypted when its entity is loaded. */
export type OnUndecryptable = 'throw' | 'marker'

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
  /** Id, ARN or alias of the KMS key. Default: that of `kmsEncryption()`. */
  keyId?: string
  /** KMS encryption context. Default: that of `kmsEncryption()`, else `{ table: <table name> }`. */
  context?: EncryptionContext
  /**
   * The table and column that values are bound to. Default: the column's own. For a view, a second entity over the
   * same table, or a column that was renamed: the names under which the values were written.
   */
  boundTo?: { table?: string; column?: string }
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
   * What becomes of a value that cannot be decrypted: `'throw'` fails the whole read; with `'marker'` the property
   * is a marker (see `undecryptable()`) that throws when it is read as plaintext. Default: that of
   * `kmsEncryption()`.
   */
  onUndecryptable?: OnUndecryptable
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
