import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type DataSource } from 'typeorm'
import { boundColumns } from '../../../orm/bound-columns'
import { declaredColumns, type DeclaredColumnReport } from '../../../orm/declarations'
import { KmsEncryptionSubscriber } from '../../../orm/subscriber'
import { count, type Finding, finding } from './finding'

const NAME = 'typeorm-kms-encrypted'

/**
 * Is there one copy of this package? Each copy knows only its own columns: decorators of one and `kmsEncryption()`
 * of another do not work together, and neither do an application and a tool of different copies.
 */
export function copyFindings(loaded: readonly string[] = Object.keys(require.cache)): Finding[] {
  const folders = new Set(loaded.map((file) => dirname(file)))
  const copies = new Set(Array.from(folders, packageFolder).filter((folder) => folder !== undefined))
  return copies.size <= 1 ? [] : [copiesFinding(`${copies.size} copies`, `: ${[...copies].join(', ')}`)]
}

/** The folder of the package to which a folder belongs, if it is this package. */
function packageFolder(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (existsSync(file)) {
    const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string }
    // Packages have such files in folders for one kind of module, too.
    if (name !== undefined) return name === NAME ? folder : undefined
  }
  const parent = dirname(folder)
  return parent === folder ? undefined : packageFolder(parent)
}

function copiesFinding(copies: string, places: string): Finding {
  return finding(
    'application',
    'problem',
    `${copies} of ${NAME} are loaded, and none sees the columns of the others${places}.`,
    `run the application's own tool, npx typeorm-kms doctor in its folder. If that is what you did, find out with npm ls ${NAME} who brings the other copy, and make it a peer dependency there.`,
  )
}

/** Is the DataSource set up as it must be? */
export function applicationFindings(dataSource: DataSource): Finding[] {
  if (hasForeignCopy(dataSource)) return [copiesFinding('two copies', ', one of them perhaps in a bundle')]
  const entities = dataSource.entityMetadatas.filter((metadata) => boundColumns(metadata).length > 0)
  const columns = entities.flatMap((metadata) => boundColumns(metadata))
  if (columns.length === 0) {
    return [
      finding(
        'application',
        'warning',
        'no entity of the DataSource has an encrypted column.',
        'is this the right DataSource, and does its entities option find the entities from this folder?',
      ),
    ]
  }
  const entityNames = entities.map(({ name }) => name).join(', ')
  return [
    finding(
      'application',
      'ok',
      `configure() was called; ${count(columns.length, 'encrypted column')} in ${entityNames}`,
    ),
    ...declaredColumns(dataSource).map(declarationFinding),
    subscriberFinding(dataSource),
  ]
}

/** Each declaration that is loaded, with what became of it. */
function declarationFinding({ declaredIn, property, outcome, columns }: DeclaredColumnReport): Finding {
  const declared = `${declaredIn}.${property}`
  switch (outcome) {
    case 'encrypted': {
      const places = columns.map(
        ({ metadata }) => `${metadata.entityMetadata.tablePath}.${metadata.databaseName}`,
      )
      return finding('application', 'ok', `${declared}: encrypted, in ${[...new Set(places)].join(', ')}`)
    }
    case 'overridden':
      return finding(
        'application',
        'ok',
        `${declared}: overridden by nearer declarations, which are encrypted`,
      )
    case 'not in this DataSource':
      return finding('application', 'ok', `${declared}: declared, and no entity of this DataSource has it`)
  }
}

function subscriberFinding({ subscribers }: DataSource): Finding {
  if (subscribers.some((subscriber) => subscriber instanceof KmsEncryptionSubscriber)) {
    return finding('application', 'ok', 'the subscriber is registered')
  }
  return finding(
    'application',
    'problem',
    'the subscriber is not registered: values whose data key is not at hand are not decrypted when entities are loaded.',
    'something removed it from dataSource.subscribers after initialize(). Put encryption.subscriber back.',
  )
}

/** True if columns are encrypted by a copy of this library that `copyFindings` cannot tell by its files. */
function hasForeignCopy({ entityMetadatas }: DataSource): boolean {
  const transformers = entityMetadatas.flatMap(({ columns }) => columns.map(({ transformer }) => transformer))
  return (
    transformers.some((transformer) => transformer?.constructor.name === 'BoundColumn') &&
    entityMetadatas.every((metadata) => boundColumns(metadata).length === 0)
  )
}
