import { type DataSource } from 'typeorm'
import { boundColumns } from '../../../orm/bound-columns'
import { KmsEncryptionSubscriber } from '../../../orm/subscriber'
import { count, type Finding, finding } from './finding'

/** A module that the tool and every application load, and no other package is likely to have. */
const MODULE = /[/\\]orm[/\\]bound-columns\.[jt]s$/

/**
 * Is there one copy of this package? Each copy knows only its own columns: decorators of one and `kmsEncryption()`
 * of another do not work together, and neither do an application and a tool of different copies.
 */
export function copyFindings(loaded: readonly string[] = Object.keys(require.cache)): Finding[] {
  const copies = loaded.filter((file) => MODULE.test(file)).map((file) => file.replace(MODULE, ''))
  if (copies.length <= 1) return []
  return [
    finding(
      'application',
      'problem',
      `${copies.length} copies of typeorm-kms-encrypted are loaded, and none sees the columns of the others: ${copies.join(', ')}.`,
      "run the application's own tool, npx typeorm-kms doctor in its folder. If that is what you did, find out with npm ls typeorm-kms-encrypted who brings the other copy, and make it a peer dependency there.",
    ),
  ]
}

/** Is the DataSource set up as it must be? */
export function applicationFindings(dataSource: DataSource): Finding[] {
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
    subscriberFinding(dataSource),
  ]
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
