import { type DataSource, type QueryRunner } from 'typeorm'
import { KmsEncryptionError } from '../../../errors'
import { AwsKms } from '../../../kms/aws/aws-kms'
import { configuredKeys } from '../../../migration/configured-keys'
import { encryptedColumns } from '../../../migration/encrypted-columns'
import { type BoundColumn } from '../../../orm/bound-column'
import { type Report, type ReportedColumn, type ReportedSettings } from '../../../report/report'
import { type Arguments, UsageError } from '../../command'
import { ownVersion } from '../../version'
import { allFindings } from '../doctor'
import { copyFindings } from '../doctor/application'
import { clientOf, knownKeys } from '../../known-keys'
import { type ColumnLook, ColumnLooks } from './column-looks'
import { reportedColumn } from './columns'
import { reportedKeyTable } from './key-table'
import { reportedKmsKeys } from './kms-keys'

/** Looks at a DataSource, its database and its KMS keys. Nothing of a value, or of what a row is keyed by, is in it. */
export async function gather(dataSource: DataSource, args: Arguments): Promise<Report> {
  const bound = encryptedColumns(dataSource)
  const [first] = bound
  if (!first) {
    const [copies] = copyFindings()
    throw new UsageError(copies?.message ?? 'the DataSource has no encrypted columns')
  }
  const looks = new ColumnLooks()
  const columns = await reportedColumns(dataSource, bound, looks)
  const { driver, options } = dataSource
  return {
    at: new Date(),
    versions: { library: ownVersion(), node: process.versions.node },
    database: { type: options.type, name: driver.database ?? '' },
    columns,
    kmsKeys: await reportedKmsKeys(columns, clientOf(first)),
    keyTable: await reportedKeyTable(dataSource),
    settings: settingsOf(first),
    findings: await allFindings(dataSource, args, looks.at),
  }
}

async function reportedColumns(
  dataSource: DataSource,
  bound: readonly BoundColumn[],
  looks: ColumnLooks,
): Promise<ReportedColumn[]> {
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    const columns: ReportedColumn[] = []
    for (const column of bound) columns.push(reportedColumn(column, await lookAt(queryRunner, column, looks)))
    return columns
  } finally {
    await queryRunner.release()
  }
}

async function lookAt(
  queryRunner: QueryRunner,
  column: BoundColumn,
  looks: ColumnLooks,
): Promise<ColumnLook | KmsEncryptionError> {
  try {
    const keyIds = (await configuredKeys(queryRunner, column)) ?? []
    return await looks.of(queryRunner, column, await knownKeys(column, keyIds))
  } catch (error) {
    if (error instanceof KmsEncryptionError) return error
    throw error
  }
}

function settingsOf({ cipher }: BoundColumn): ReportedSettings {
  const { kms, dataKeys } = cipher
  return {
    trustsNamedKeysOnly: kms instanceof AwsKms && kms.trustsNamedKeysOnly,
    keptInMemory: dataKeys.maxAge,
  }
}
