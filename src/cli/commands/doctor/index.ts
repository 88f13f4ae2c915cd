import { resolve } from 'node:path'
import { type KMSClient } from '@aws-sdk/client-kms'
import { type DataSource } from 'typeorm'
import { AwsKms } from '../../../kms/aws/aws-kms'
import { TrustedKeys } from '../../../kms/aws/trusted-keys'
import { type Arguments, type Command, CommandFailed, UsageError } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { clientsOf } from '../../known-keys'
import { type Terminal } from '../../terminal'
import { encryptedColumns } from '../../../migration/encrypted-columns'
import { applicationFindings, copyFindings } from './application'
import { databaseFindings, type Look } from './database'
import { count, failureOf, type Finding, type Level } from './finding'
import { tracingFindings } from './tracing'
import { kmsFindings } from './kms'

export const doctor: Command = {
  name: 'doctor',
  summary: 'Checks an installation: the application, its KMS keys and permissions, its database.',
  options: {
    ...DATA_SOURCE_OPTIONS,
    ...KMS_OPTIONS,
  },
  async run(args, terminal) {
    const findings = await examine(args)
    const problems = findings.filter(({ level }) => level === 'problem').length
    printFindings(findings, terminal)
    terminal.printJson({ findings, problems })
    if (problems > 0) {
      throw new CommandFailed(
        `${count(problems, 'problem')} found. Mend what is marked with ✗, the first of them first, and run the same again.`,
      )
    }
    const warnings = findings.filter(({ level }) => level === 'warning').length
    terminal.print()
    terminal.print(
      warnings === 0
        ? 'All is well. There is nothing to do.'
        : `No problems, ${count(warnings, 'warning')}. Look at what is marked with !.`,
    )
  },
}

async function examine(args: Arguments): Promise<Finding[]> {
  try {
    return await withDataSource(args, async (dataSource) => {
      const copies = copyFindings()
      return copies.length > 0 ? copies : allFindings(dataSource, args)
    })
  } catch (error) {
    if (error instanceof UsageError) throw error
    return [...copyFindings(), failureOf('application', 'the DataSource cannot be initialised', error)]
  }
}

/** All that is looked at once the DataSource is there. `lookAt`: for who has looked at the columns already. */
export async function allFindings(
  dataSource: DataSource,
  args: Arguments,
  lookAt?: Look,
): Promise<Finding[]> {
  const file = args.text('dataSource') ?? ''
  return [
    ...applicationFindings(dataSource),
    ...tracingFindings(dataSource, resolve(file)),
    ...(await findingsAboutKms(dataSource, args)),
    ...(await databaseFindings(dataSource, file, lookAt)),
  ]
}

/** Asks KMS as the application does, with its own client; or with that of the options, if any is given. */
async function findingsAboutKms(dataSource: DataSource, args: Arguments): Promise<Finding[]> {
  const columns = encryptedColumns(dataSource)
  const file = args.text('dataSource') ?? ''
  const [own, ...replicas] = columns[0] ? clientsOf(columns[0]) : []
  if (own === undefined) return []
  if (Object.keys(KMS_OPTIONS).every((name) => args.text(name) === undefined)) {
    const regions = [
      kmsFindings(columns, own, (column) => column.cipher.kms, { file }),
      ...replicas.map((client) =>
        kmsFindings(columns, client, askedAlone(client), { isReplica: true, file }),
      ),
    ]
    return (await Promise.all(regions)).flat()
  }
  return withKmsClient(args, (client: KMSClient) =>
    kmsFindings(columns, client, askedAlone(client), { file }),
  )
}

function askedAlone(client: KMSClient): () => AwsKms {
  const kms = new AwsKms({ client, concurrency: 10, trustedKeys: new TrustedKeys(undefined) })
  return () => kms
}

const AREAS = { application: 'Application', KMS: 'KMS', database: 'Database' } as const

export function printFindings(findings: readonly Finding[], terminal: Terminal): void {
  const signs: Readonly<Record<Level, string>> = {
    ok: terminal.style('green', '✓'),
    note: terminal.style('cyan', 'i'),
    warning: terminal.style('yellow', '!'),
    problem: terminal.style('red', '✗'),
  }
  for (const [area, title] of Object.entries(AREAS)) {
    const here = findings.filter((finding) => finding.area === area)
    if (here.length === 0) continue
    terminal.print(terminal.style('bold', title))
    for (const { level, message, remedy } of here) {
      terminal.remark(`  ${signs[level]} `, message)
      if (remedy !== undefined) terminal.remark('    → ', remedy)
    }
  }
}
