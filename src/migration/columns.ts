import { type EntityTarget, type ObjectLiteral } from 'typeorm'
import { type BoundColumn } from '../orm/bound-column'
import { InvalidOptionError } from '../errors'
import { mirrorOf } from '../orm/mirror'
import { compareMirror, type MirrorComparison } from './compare-mirror'
import { type Conversion } from './conversion'
import { endDataKeys } from './data-keys/end-data-keys'
import { Decrypt } from './decrypt'
import { Encrypt, type EncryptSettings } from './encrypt'
import { fillMirror } from './fill-mirror'
import { type MigrationOptions, type MigrationResult } from './options'
import { Pass } from './pass'
import { type RotateSettings } from './rotate'
import { rotateColumn } from './rotate-column'
import { requireSameEquality } from './indexes/collation'
import { encryptedColumn, type Executor, withRunner } from './target'
import { RowFinder } from './find-row'
import { type Unreadable } from './failures'
import { type BoundAs, TakeBack } from './take-back'
import { Verify } from './verify'

/** Options of `encryptColumns`. */
export interface EncryptOptions extends MigrationOptions, EncryptSettings {}

/** Options of `rotateColumns`. */
export interface RotateOptions extends MigrationOptions, RotateSettings {
  /**
   * What properties of rows were, to which values are bound or by which they are keyed, before raw SQL changed them.
   * Then nothing is done but this: values that do not open as what their row has now, and do as what it had, are
   * bound anew. Whatever opens so is taken, also what was copied from another row: try `dryRun` first, and look at
   * `bound`. Not together with `to` and `newDataKeys`.
   */
  boundAs?: BoundAs
}

/** What `rotateColumns` did to one column. */
export interface RotateResult extends MigrationResult {
  /** With `boundAs`: primary keys of the rows whose values were bound anew, or would be; the first 1,000. */
  bound?: readonly Readonly<Record<string, unknown>>[]
}

/** Options of `verifyColumns`. */
export interface VerifyOptions extends MigrationOptions {
  /**
   * Looks for the rows that values of `boundTo.row` and `keyPer` belong to which do not open in their own, and so tells
   * moved ones from altered ones: at most 100 values of a column, over all rows of the table, with at most 1,000 calls
   * to KMS more. Default `false`.
   */
  findRow?: boolean
}

/** What `verifyColumns` found in one column. */
export interface VerifyResult extends MigrationResult {
  /** Rows that could not be read. */
  failed: number
  /** The first 1,000 of them. */
  unreadable: readonly Unreadable[]
  /** Rows that the database counts at the end as not beginning like a ciphertext. */
  notCiphertext: number
  /** With `mirrorOf` or `mirrorTo`: how the column agrees with the other. */
  mirror?: MirrorComparison
}

/**
 * Encrypts the plaintext that is in the columns, and fills their blind indexes (`search`). Values that are ciphertext
 * already stay as they are, so it can be ended at any moment and run again. The columns must already have their new type.
 *
 * With the `QueryRunner` of a TypeORM migration it works inside the migration's transaction; with a DataSource,
 * each batch is a transaction of its own and the application may go on meanwhile: a row that it writes is left to
 * it, and looked at again.
 *
 * @param entity Class or name of the entity. Migrations outlive classes: prefer the name.
 * @returns one result per property, in order.
 * @throws NotEncryptedColumnError, NoPrimaryKeyError, ColumnTypeError before the first row; InvalidValueError for a
 * value that is not of the declared type, with its primary key; NotUniqueError; TableLockedError; InterruptedError; what KMS
 * refuses. What is done stays done, unless the transaction around it is rolled back.
 *
 * @example
 * ```ts
 * export class EncryptPrivateKeys1700000000000 implements MigrationInterface {
 *   async up(queryRunner: QueryRunner) {
 *     await queryRunner.query('ALTER TABLE `user` MODIFY `privateKey` longtext CHARACTER SET utf8mb4 NOT NULL')
 *     await queryRunner.query('ALTER TABLE `user` MODIFY `privateKey` blob NOT NULL')
 *     await encryptColumns(queryRunner, 'User', ['privateKey'])
 *   }
 *   async down(queryRunner: QueryRunner) {
 *     await decryptColumns(queryRunner, 'User', ['privateKey'])
 *   }
 * }
 * ```
 */
export async function encryptColumns(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
  options: EncryptOptions = {},
): Promise<MigrationResult[]> {
  const columns = encryptedColumnsOf(executor, entity, properties)
  // An index over several columns is made of ciphertexts.
  const isAlone = (column: BoundColumn): boolean => !column.indexes.some(({ isCompound }) => isCompound)
  const inOrder = [...columns.filter(isAlone), ...columns.filter((each) => !isAlone(each))]
  return inTurn(inOrder, async (column) => {
    const mirror = mirrorOf(column)
    if (mirror?.follower === column.metadata) {
      const filled = await fillMirror(executor, column, mirror, options)
      // Its indexes are filled as those of any column.
      if (column.indexes.length > 0)
        await new Pass(column, new Encrypt(column, options), options).run(executor)
      return filled
    }
    if (options.compareBytes !== true) await requireSameEquality(executor, column)
    return new Pass(column, new Encrypt(column, options), options).run(executor)
  })
}

/**
 * Decrypts the columns: the way back. The plaintext is sent to the database, and so into its logs.
 *
 * @throws NotRepresentableError for a value that the column cannot hold as it is, with its primary key; else as
 * `encryptColumns`.
 *
 * @example
 * ```ts
 * await decryptColumns(queryRunner, 'User', ['privateKey'])
 * await queryRunner.query('ALTER TABLE `user` MODIFY `privateKey` longtext CHARACTER SET utf8mb4 NOT NULL')
 * ```
 */
export function decryptColumns(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
  options: MigrationOptions = {},
): Promise<MigrationResult[]> {
  return eachColumn(executor, entity, properties, options, (column) => new Decrypt(column))
}

/**
 * Moves values to another KMS key (`to`), or brings them up to the current key, mode, context, names and storage
 * of their column. Where only the key changes this is one KMS `ReEncrypt` per data key, or per value in direct
 * mode, and no plaintext enters the process. Values that are as they should be stay untouched; with `newDataKeys`
 * and no `to`, every value is encrypted anew.
 *
 * Stored data keys are moved in the key table: one `ReEncrypt` and one update each, and no value is read or written. A
 * column whose values carry their data keys, and are to name stored ones, is converted, and the other way round.
 *
 * Needs `kms:ReEncryptFrom` on the old key and `kms:ReEncryptTo` on the new one; with `newDataKeys` or a change of
 * mode or context, `kms:Decrypt` and `kms:GenerateDataKey` (or `kms:Encrypt`).
 *
 * @example
 * ```ts
 * await rotateColumns(dataSource, User, ['privateKey'], { to: 'alias/my-app-2027' })
 * await rotateColumns(dataSource, User, ['iban'], { boundAs: { tenantId: 42 } }) // after an UPDATE by raw SQL
 * ```
 */
export async function rotateColumns(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
  options: RotateOptions = {},
): Promise<RotateResult[]> {
  const columns = encryptedColumnsOf(executor, entity, properties)
  const { newDataKeys = false, madeBefore, boundAs, to } = options
  if (boundAs) {
    if (newDataKeys || to !== undefined)
      throw new InvalidOptionError('boundAs goes with neither to nor newDataKeys: rotate again for those')
    const each = columns.map((column) => ({ column, takeBack: new TakeBack(column, boundAs) }))
    return inTurn(each, async ({ column, takeBack }) => {
      const result = await new Pass(column, takeBack, options).run(executor)
      return { ...result, bound: takeBack.rows }
    })
  }
  if (madeBefore && !newDataKeys)
    throw new InvalidOptionError('madeBefore is about newDataKeys: say that as well')
  const kept = newDataKeys ? await endDataKeys(executor, columns, options) : new Set<string>()
  return inTurn(columns, (column) => rotateColumn(executor, column, options, kept))
}

/**
 * Opens every value of the columns and reports the rows that do not open, or are plaintext where that is not
 * accepted. A column with `mirrorOf` or `mirrorTo` is compared with the other column as well. Writes nothing. Trouble with KMS itself (unreachable, throttled, no credentials) is thrown.
 *
 * @throws RowsHiddenError where row level security hides rows from the role: nothing could be certified.
 *
 * @example
 * ```ts
 * const [{ failed, unreadable }] = await verifyColumns(dataSource, User, ['privateKey'], { findRow: true })
 * ```
 */
export async function verifyColumns(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifyResult[]> {
  const results: VerifyResult[] = []
  for (const column of encryptedColumnsOf(executor, entity, properties)) {
    const finder = options.findRow === true ? new RowFinder(column) : undefined
    const verify = new Verify(column, finder)
    // It is what a verification is for: to go on, and to list.
    const pass = new Pass(column, verify, { ...options, skipFailed: true })
    const { skipped, failures, notes, ...result } = await pass.run(executor)
    if (finder) await withRunner(executor, (queryRunner) => finder.search(queryRunner))
    if (finder?.note !== undefined) options.onNote?.(`${column.name}: ${finder.note}`)
    const { notCiphertext } = verify
    const mirror = mirrorOf(column)
    results.push({
      ...result,
      skipped: 0,
      failures: [],
      failed: skipped,
      unreadable: finder?.explained(failures) ?? failures,
      notCiphertext,
      ...(mirror && {
        mirror: await withRunner(executor, (runner) => compareMirror(runner, column, mirror, options)),
      }),
      notes: finder?.note === undefined ? notes : [...notes, finder.note],
    })
  }
  return results
}

async function eachColumn(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
  options: MigrationOptions,
  conversionOf: (column: BoundColumn) => Conversion,
): Promise<MigrationResult[]> {
  return inTurn(encryptedColumnsOf(executor, entity, properties), (column) =>
    new Pass(column, conversionOf(column), options).run(executor),
  )
}

async function inTurn<Each, T>(all: readonly Each[], work: (each: Each) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (const each of all) results.push(await work(each))
  return results
}

function encryptedColumnsOf(
  executor: Executor,
  entity: EntityTarget<ObjectLiteral>,
  properties: readonly string[],
): BoundColumn[] {
  return properties.map((property) => encryptedColumn(executor, entity, property))
}
