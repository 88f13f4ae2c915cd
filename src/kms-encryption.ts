import { inspect } from 'node:util'
import { type KMSClient } from '@aws-sdk/client-kms'
import { type DataSource, type DataSourceOptions, type EntityTarget, type ObjectLiteral } from 'typeorm'
import { type AccessContext, deny, withContext } from './access'
import { IndexRoot } from './cipher/blind-index/index-root'
import { Cipher, type Mode } from './cipher/cipher'
import { checkContext, type EncryptionContext } from './cipher/context'
import { type KeyId, type OnUndecryptable, type WritesOption } from './column/options'
import { type PropertyAt, type PropertyPath } from './column/property-type'
import { type RedactOption } from './column/redaction'
import { isKeyId, isRedactOption, isWrites, REDACT } from './column/scheme'
import { DEFAULT_INDEX } from './column/search'
import type * as WithTypeorm from './data-sources'
import { type DataSources, type EntityClass, type EntityName, type RowAndDataSource } from './data-sources'
import { InvalidOptionError, KeyIdMissingError } from './errors'
import { AwsKms } from './kms/aws/aws-kms'
import { type KmsCallCounts, type KmsOutcomes, USD_PER_REQUEST } from './kms/aws/call-log'
import { TrustedKeys } from './kms/aws/trusted-keys'
import { type ForgetOptions } from './migration/data-keys/forget'
import { type ForgetReport } from './migration/data-keys/forget-report'
import {
  type DataKeysOption,
  type KeyTableSettings,
  keyTableSettings,
} from './orm/key-table/key-table-options'
import { rawSql } from './orm/statement/raw'
import { type KmsEncryptionSubscriber } from './orm/subscriber'

/** Limits on the reuse of plaintext data keys. */
export interface CacheOptions {
  /** Milliseconds for which a data key is reused. Default 300,000 (5 minutes). */
  maxAge?: number
  /** Values encrypted under one data key. Default 1,048,576 (2^20); at most 2^32, the limit for random IVs. */
  maxValues?: number
  /** Data keys in memory at once. Default 1,000. */
  maxKeys?: number
}

/** Options of `kmsEncryption()`. */
export interface KmsEncryptionOptions {
  /**
   * Id, ARN or alias of the KMS key, e.g. `alias/my-app`; or a function that names one for an encryption context, e.g.
   * ``({ tenantId }) => `alias/tenant-${tenantId}` `` for columns with `keyPer`. Columns may name their own.
   */
  keyId?: KeyId
  /**
   * A `KMSClient`. Default: one of the AWS default chain that gives up an attempt in time for another one. A list is
   * for multi-Region keys: the client of the own Region, then those of Regions with replicas, asked in this order
   * where a Region cannot be reached, throttles or has its key unavailable. They share the `timeout`.
   */
  client?: KMSClient | readonly KMSClient[]
  /** Default mode of columns: `'envelope'`. */
  mode?: Mode
  /** Default KMS encryption context of columns: `{ table: <table name> }`. */
  context?: EncryptionContext
  cache?: CacheOptions
  /** KMS calls under way at once. Default 20. */
  concurrency?: number
  /**
   * Milliseconds for one KMS call with its retries; then it fails with `KMS_UNAVAILABLE`. Default 5,000. After a
   * call that was not answered, calls fail at once for a second; then one at a time tries again.
   */
  timeout?: number
  /**
   * What becomes of a value that cannot be decrypted when its entity is loaded: `'throw'` (default) fails the whole
   * read, naming entity, property and primary key; with `'marker'` the property is a marker that throws when it is
   * read as plaintext and that a `save` leaves as it is in the database. See `undecryptable()`. Trouble of KMS
   * itself (unreachable, throttled, no credentials) is thrown in either case.
   */
  onUndecryptable?: OnUndecryptable
  /**
   * Hides encrypted values where their entities are printed: `true` from `util.inspect` and `console.log`,
   * `{ json: true }` from `JSON.stringify` as well. Default `false`. Columns may differ.
   */
  redact?: RedactOption
  /**
   * What writes store in columns with `acceptPlaintext: true` that say nothing of it themselves: `'ciphertext'`
   * (default); `'plaintext'` while instances are running that do not decrypt yet; or a function that is asked at each
   * write, e.g. for a feature flag. It must answer at once. Other columns are always encrypted.
   *
   * @example `writes: () => (flags.isOn('encrypt-columns') ? 'ciphertext' : 'plaintext')`
   */
  writes?: WritesOption
  /**
   * Where data keys are kept: `'inline'` (default): each value carries its own, encrypted; `'stored'`: in a table that
   * `configure()` adds to the DataSource, and values name theirs; or where and for how long. See
   * docs/stored-data-keys.md.
   */
  dataKeys?: DataKeysOption
  /**
   * The key of blind indexes (`search`), encrypted under the KMS key: what `typeorm-kms keys create-index-key` prints. It
   * stays the same for as long as there are indexes made with it.
   */
  indexKey?: string
  /** Key ARNs or account ids. A value that KMS opens under any other key is refused. */
  trustedKeys?: readonly string[]
}

/** What happened since the `KmsEncryption` was made. */
export interface KmsEncryptionMetrics {
  /** Calls by operation. */
  kmsCalls: Readonly<KmsCallCounts>
  /** Ended calls by operation and outcome (`ok`, or the `code` of the error), with the time that they took. */
  kmsOutcomes: KmsOutcomes
  /** What AWS charges for the requests, retries included, at $0.03 per 10,000; without the keys and any free tier. */
  kmsBill: { requests: number; usd: number }
  /**
   * `hits`: values served by a data key in memory. `misses`: KMS was asked for a data key, and someone waited.
   * `refreshed`: data keys that were fetched in the background before anyone had to wait.
   */
  dataKeys: { cached: number; hits: number; misses: number; refreshed: number }
  values: { encrypted: number; decrypted: number }
  /** Values by column, `Entity.property`. */
  columns: Readonly<Record<string, { encrypted: number; decrypted: number }>>
}

/**
 * The part that meets TypeORM, which is most of the library, is read when it is first needed: a file that declares
 * entities is imported in many a process, and by each unit test, that opens no DataSource.
 */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- at once and not by import(), since configure() returns options
const withTypeorm = () => require('./data-sources') as typeof WithTypeorm

/**
 * Sets up encryption under AWS KMS for one or more DataSources.
 *
 * Throws `InvalidOptionError` or `KeyIdMissingError` for options that cannot work. KMS is first called when a value is read or written.
 *
 * @example
 * ```ts
 * export const encryption = kmsEncryption({ keyId: 'alias/my-app' })
 * export default new DataSource(encryption.configure({ type: 'mysql', url, entities: [User] }))
 * ```
 */
export function kmsEncryption(options: KmsEncryptionOptions): KmsEncryption {
  return new KmsEncryption(options)
}

/** Encryption under AWS KMS: made by `kmsEncryption()`, wired into a DataSource by `configure()`. */
export class KmsEncryption {
  readonly #kms: AwsKms
  readonly #cipher: Cipher
  readonly #options: KmsEncryptionOptions
  readonly #dataKeys: KeyTableSettings
  readonly #indexRoot: IndexRoot | undefined
  #dataSources: DataSources | undefined

  constructor(options: KmsEncryptionOptions) {
    checkOptions(options)
    const { client, concurrency = 20, timeout, cache = {}, trustedKeys } = options
    this.#options = options
    this.#dataKeys = keyTableSettings(options.dataKeys)
    this.#kms = new AwsKms({ client, concurrency, timeout, trustedKeys: new TrustedKeys(trustedKeys) })
    const { maxAge = 300_000, maxValues = 2 ** 20, maxKeys = 1_000 } = cache
    this.#cipher = new Cipher(this.#kms, { maxAge, maxValues, maxKeys })
    if (options.indexKey !== undefined) this.#indexRoot = new IndexRoot(this.#kms, options.indexKey)
  }

  /**
   * The entity subscriber. `configure()` registers it; it is here for applications that list their subscribers
   * themselves and like to see it among them.
   */
  get subscriber(): typeof KmsEncryptionSubscriber {
    return withTypeorm().KmsEncryptionSubscriber
  }

  /**
   * Options for a DataSource whose `@KmsEncrypted()` columns are encrypted. Everything else in the options stays;
   * entities may be added later (`autoLoadEntities`). Throws `UnsupportedDatabaseError`.
   */
  configure<Options extends DataSourceOptions>(options: Options): Options {
    return this.#configured().configure(options)
  }

  /**
   * Encrypts a value as the column would, for raw SQL. Returns what to store: a Buffer, or base64 text for a
   * column with `storage: 'text'`. A property of an embedded entity is named by its path: `address.street`.
   *
   * `row` is needed where the column has `boundTo.row` or `keyPer`: what the row has, or will have, in those
   * properties; a raw row or an entity, which may have more. Throws `RowUnknownError` without.
   *
   * `dataSource` is needed where several DataSources of this `KmsEncryption` have the entity: each may bind values to
   * names of its own. It stands last, behind the row if there is one. Throws `InvalidOptionError` rather than guess.
   *
   * With a class or an `EntitySchema<User>` the compiler checks property and value. With the entity's name it knows
   * nothing of them; that way also leads to private properties.
   *
   * @example
   * ```ts
   * const stored = await encryption.encrypt(User, 'privateKey', pem)
   * await dataSource.query('UPDATE user SET privateKey = ? WHERE id = ?', [stored, id])
   * ```
   */
  encrypt<Entity extends object, Property extends PropertyPath<Entity>>(
    entity: EntityClass<Entity>,
    property: Property,
    value: PropertyAt<Entity, Property>,
    ...where: RowAndDataSource
  ): Promise<Buffer | string>
  encrypt(
    entity: EntityName,
    property: string,
    value: unknown,
    ...where: RowAndDataSource
  ): Promise<Buffer | string>
  async encrypt(
    entity: EntityTarget<ObjectLiteral>,
    property: string,
    value: unknown,
    ...where: RowAndDataSource
  ): Promise<Buffer | string> {
    return this.#configured().encrypt(entity, property, value, where)
  }

  /**
   * Encrypts values as their columns would, for raw SQL, with their blind indexes. Returns what to store by the name of
   * the column in the database; `null` for NULL. `where`: see `encrypt()`.
   *
   * @example
   * ```ts
   * const { email, email_index } = await encryption.encryptAll(User, { email: 'ada@example.org' })
   * await dataSource.query('UPDATE user SET email = ?, email_index = ? WHERE id = ?', [email, email_index, id])
   * ```
   */
  async encryptAll(
    entity: EntityTarget<ObjectLiteral>,
    values: Readonly<Record<string, unknown>>,
    ...where: RowAndDataSource
  ): Promise<Record<string, Buffer | string | null>> {
    return this.#configured().encryptAll(entity, values, where)
  }

  /**
   * What a blind index has for a value, for hand-written SQL: for the index of the column itself its value; for a named
   * one what its `from` gives. `where`: see `encrypt()`; the row is needed with `keyPer`.
   *
   * @example
   * ```ts
   * const last4 = await encryption.indexOf(User, 'card', '4242', 'last4')
   * const rows = await dataSource.query('SELECT id FROM user WHERE card_last4 = ?', [last4])
   * ```
   */
  async indexOf(
    entity: EntityTarget<ObjectLiteral>,
    property: string,
    value: unknown,
    name = DEFAULT_INDEX,
    ...where: RowAndDataSource
  ): Promise<Buffer | string> {
    return this.#configured().indexOf(entity, property, value, name, where)
  }

  /**
   * Decrypts what a raw query returned for the column. NULL is `null`. `row` and `dataSource`: see `encrypt()`.
   *
   * @example
   * ```ts
   * const [row] = await dataSource.query('SELECT privateKey FROM user WHERE id = ?', [id])
   * const pem = await encryption.decrypt(User, 'privateKey', row.privateKey)
   * // With boundTo: { row: ['id'] }, select the id as well:
   * const bound = await encryption.decrypt(User, 'privateKey', row.privateKey, row)
   * ```
   */
  decrypt<Entity extends object, Property extends PropertyPath<Entity>>(
    entity: EntityClass<Entity>,
    property: Property,
    stored: unknown,
    ...where: RowAndDataSource
  ): Promise<PropertyAt<Entity, Property>>
  decrypt(entity: EntityName, property: string, stored: unknown, ...where: RowAndDataSource): Promise<unknown>
  async decrypt(
    entity: EntityTarget<ObjectLiteral>,
    property: string,
    stored: unknown,
    ...where: RowAndDataSource
  ): Promise<unknown> {
    if (stored === null || stored === undefined) return stored
    return this.#configured().decrypt(entity, property, stored, where)
  }

  /**
   * Opens the values of columns with `open: 'on-read'` that were not read yet: those of the entities, of what is embedded
   * in them, and of their relations as far as they are loaded. From then on their properties are plain ones. Needed
   * where an entity was kept until its data key had left the memory (`cache.maxAge`, `cache.maxKeys`): then a read
   * throws `NOT_DECRYPTED`. Asks KMS where it must. Returns the entities.
   *
   * Throws what the first value throws that does not open, as `find()` does for other columns.
   *
   * @example
   * ```ts
   * const { privateKey } = await encryption.open(session.user)
   * ```
   */
  async open<Entities extends object>(entities: Entities): Promise<Entities> {
    await withTypeorm().openUnread(entities)
    return entities
  }

  /**
   * SQL for a query builder in which an encrypted column means its ciphertext: there it may stand where it is refused
   * otherwise. It puts comments around the text, and the text's own parameters are sent as they are. It does not
   * make a column of a value: what is stored in an encrypted column is encrypted, or refused.
   *
   * @example
   * ```ts
   * const sizes = await users.createQueryBuilder('user').select(encryption.raw('LENGTH(user.iban)'), 'bytes').getRawMany()
   * ```
   */
  raw(sql: string): string {
    return rawSql(sql)
  }

  /**
   * Destroys the stored data keys of all contexts that have these pairs: the values under them can be read no more, by
   * nobody. With `wait` (milliseconds) that can be undone until then, with `cancelForgetting()`, and `forgetDue()` does
   * it afterwards. `dataSource` is needed where there are several.
   *
   * Throws `InvalidOptionError`, `InlineValuesLeftError`, `KeyTableMissingError`, `KeyTableUnavailableError`.
   *
   * @example
   * ```ts
   * const report = await encryption.forget({ tenant_id: '42' })
   * console.log(report.rows, report.remains)
   * ```
   */
  async forget(
    pairs: EncryptionContext,
    options: ForgetOptions = {},
    dataSource?: DataSource,
  ): Promise<ForgetReport> {
    return withTypeorm().forget(this.#configured().only(dataSource), pairs, options)
  }

  /** Undoes `forget()` for data keys that wait to be destroyed. Throws as that does. */
  async cancelForgetting(pairs: EncryptionContext, dataSource?: DataSource): Promise<ForgetReport> {
    return withTypeorm().cancelForgetting(this.#configured().only(dataSource), pairs)
  }

  /** Destroys the data keys whose `wait` is over, of all contexts. Throws as `forget()` does. */
  async forgetDue(dataSource?: DataSource): Promise<ForgetReport> {
    return withTypeorm().forgetDue(this.#configured().only(dataSource))
  }

  /**
   * Runs a function on behalf of somebody. What is decrypted inside, and the calls to KMS that it makes, are published
   * with `user` and `reason` on the diagnostics channels (docs/access.md); after `maxDecryptions` values the next one is
   * refused. Contexts can stand in each other: names are taken over, and each limit counts. They are of the process: all
   * its `KmsEncryption`s count. Returns what the function returns. Throws `InvalidOptionError`.
   *
   * @throws DecryptionLimitError where a value more is read than `maxDecryptions`.
   *
   * @example
   * ```ts
   * await encryption.withContext({ user: request.user.id, reason: 'GET /accounts', maxDecryptions: 100 }, () =>
   *   accounts.find({ where: { owner } }),
   * )
   * ```
   */
  withContext<Result>(context: AccessContext, run: () => Result): Result {
    return withContext(context, run)
  }

  /**
   * Runs a function in which nothing is decrypted, and KMS is not asked to: entities that are loaded inside have a
   * marker in each encrypted property (`undecryptable()`), which throws `DecryptionDeniedError` where it is read, and
   * stays as it is in the database when the entity is saved, also outside. New values can be stored. Returns what the
   * function returns.
   *
   * @example
   * ```ts
   * const report = await encryption.deny(() => users.find({ where: { publicKey: 'a key' } }))
   * ```
   */
  deny<Result>(run: () => Result): Result {
    return deny(run)
  }

  /** Counts since the start. */
  metrics(): KmsEncryptionMetrics {
    const { dataKeys, counts, tallies, stores } = this.#cipher
    const { calls, outcomes, requests } = this.#kms.log
    return {
      kmsCalls: { ...calls },
      kmsOutcomes: outcomes,
      kmsBill: { requests, usd: requests * USD_PER_REQUEST },
      dataKeys: {
        cached: stores.reduce((sum, { size }) => sum + size, dataKeys.size),
        ...dataKeys.counts,
        refreshed: stores.reduce((sum, { refreshed }) => sum + refreshed, dataKeys.refreshed),
      },
      values: { ...counts },
      columns: Object.fromEntries(
        Array.from(tallies, ({ entity, property, encrypted, decrypted }) => [
          `${entity}.${property}`,
          { encrypted, decrypted },
        ]),
      ),
    }
  }

  /** Destroys the data keys in memory and closes the KMS client if it is the library's own. Then nothing works. */
  close(): void {
    this.#indexRoot?.close()
    this.#cipher.close()
    this.#kms.close()
  }

  [inspect.custom](): string {
    const { keyId } = this.#options
    return `KmsEncryption { keyId: ${typeof keyId === 'function' ? '[a function]' : `'${keyId ?? ''}'`} }`
  }

  #configured(): DataSources {
    const { keyId, mode = 'envelope', context, onUndecryptable, writes, redact } = this.#options
    return (this.#dataSources ??= new (withTypeorm().DataSources)(this.#cipher, {
      keyId,
      mode,
      context,
      onUndecryptable,
      writes,
      redact,
      dataKeys: this.#dataKeys,
      indexRoot: this.#indexRoot,
    }))
  }
}

function checkOptions(options: KmsEncryptionOptions): void {
  const refuse = (reason: string): never => {
    throw new InvalidOptionError(`kmsEncryption(): ${reason}`)
  }
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse("pass options, e.g. { keyId: 'alias/my-app' }")
  const known = [
    'keyId',
    'client',
    'mode',
    'context',
    'cache',
    'concurrency',
    'timeout',
    'onUndecryptable',
    'writes',
    'redact',
    'dataKeys',
    'indexKey',
    'trustedKeys',
  ]
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) refuse(`unknown option ${unknown}. Known are ${known.join(', ')}.`)
  const { keyId, mode, context, cache = {}, concurrency, timeout, onUndecryptable } = options
  if ('keyId' in options && !isKeyId(keyId)) {
    throw new KeyIdMissingError(
      "kmsEncryption(): keyId is empty. Name the KMS key: its id, ARN or alias ('alias/my-app'). Is the environment variable set?",
    )
  }
  const { client } = options
  if (Array.isArray(client)) {
    if (client.length === 0) refuse('client is an empty list. Leave it out for the AWS default chain')
    if (new Set(client).size < client.length) refuse('client has the same KMSClient twice')
  }
  if (mode !== undefined && !['envelope', 'direct'].includes(mode))
    refuse("mode must be 'envelope' or 'direct'")
  if (onUndecryptable !== undefined && !['throw', 'marker'].includes(onUndecryptable))
    refuse("onUndecryptable must be 'throw' or 'marker'")
  const { writes, redact } = options
  if (redact !== undefined && !isRedactOption(redact)) refuse(REDACT)
  if (writes !== undefined && !isWrites(writes) && typeof writes !== 'function')
    refuse("writes must be 'ciphertext', 'plaintext', or a function that gives one of them")
  if (context !== undefined) checkContext(context)
  const unknownLimit = Object.keys(cache).find((name) => !['maxAge', 'maxValues', 'maxKeys'].includes(name))
  if (unknownLimit !== undefined) refuse(`unknown option cache.${unknownLimit}`)
  for (const [name, value] of Object.entries({ ...cache, concurrency, timeout }) as [string, unknown][]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) > 0)) {
      refuse(`${name} must be a positive whole number`)
    }
  }
  if ((timeout ?? 0) >= 2 ** 31) refuse('timeout must be below 2^31 milliseconds')
  if ((cache.maxAge ?? 0) >= 2 ** 31) refuse('cache.maxAge must be below 2^31 milliseconds, about 24 days')
  if ((cache.maxValues ?? 0) > 2 ** 32) refuse('cache.maxValues must be at most 2^32 (NIST SP 800-38D, 8.3)')
}
