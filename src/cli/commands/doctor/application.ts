import { type DataSource } from 'typeorm'
import { boundColumns } from '../../../orm/bound-columns'
import { KmsEncryptionSubscriber } from '../../../orm/subscriber'
import { count, type Finding, finding } from './finding'

/** Is the DataSource set up as it must be? */
export function applicationFindings(dataSource: DataSource): Finding[] {
  if (hasForeignCopy(dataSource)) {
    return [
      finding(
        'application',
        'problem',
        'the application and this tool load two copies of typeorm-kms-encrypted, so the tool does not see its columns.',
        "run the application's own: npx typeorm-kms doctor, in its folder. If that is what you did, look for a second copy with npm ls typeorm-kms-encrypted.",
      ),
    ]
  }
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

/** True if columns are encrypted by another copy of this library. */
function hasForeignCopy({ entityMetadatas }: DataSource): boolean {
  const transformers = entityMetadatas.flatMap(({ columns }) => columns.map(({ transformer }) => transformer))
  return (
    transformers.some((transformer) => transformer?.constructor.name === 'BoundColumn') &&
    entityMetadatas.every((metadata) => boundColumns(metadata).length === 0)
  )
}
