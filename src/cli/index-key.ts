import { KmsEncryptionError } from '../errors'
import { isSameKey } from '../kms/aws/key-arn'
import { type KeyService } from '../kms/key-service'
import { usedIndexRoot } from '../migration/indexes/index-root'
import { type BoundColumn } from '../orm/bound-column'
import { knownKeys } from './known-keys'

/** Where the key of blind indexes is that stands in the options (`indexKey`). */
export interface IndexKeyPlace {
  /** The columns that are searched by it. */
  columns: readonly string[]
  /** ARN of its KMS key; `undefined` where KMS does not open it. */
  kmsKey: string | undefined
  /** What is to be done or known about it, for people. */
  remark: string | undefined
}

/**
 * Asks KMS for the KMS key that `indexKey` is under, and whether that is one of those that the columns are configured
 * for, or `to`. `undefined` where no column needs it. Moving values moves it not: only the application has it.
 */
export async function indexKeyPlace(
  columns: readonly BoundColumn[],
  file: string,
  { to, kms }: { to?: string | undefined; kms?: KeyService | undefined } = {},
): Promise<IndexKeyPlace | undefined> {
  const used = usedIndexRoot(columns)
  if (!used) return undefined
  const names = used.columns.map(({ name }) => name)
  try {
    const kmsKey = await used.root.kmsKey(kms)
    const wanted = (
      await Promise.all(used.columns.map((column) => knownKeys(column, to === undefined ? undefined : [to])))
    )
      .flat()
      .filter((arn) => arn.includes(':key/'))
    const isThere = wanted.length === 0 || wanted.some((arn) => isSameKey(arn, kmsKey))
    return {
      columns: names,
      kmsKey,
      remark: isThere ? undefined : elsewhere(kmsKey, file, to ?? used.columns[0].recipes.keyId),
    }
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    const remark = `indexKey does not open, so that nothing can be searched and no searched column written: ${error.reason}`
    return { columns: names, kmsKey: undefined, remark }
  }
}

function elsewhere(kmsKey: string, file: string, to = 'KEY'): string {
  return `indexKey is still under ${kmsKey}: searching, and writing searched columns, needs that KMS key. To move it: typeorm-kms keys rewrap-index-key ${to} -d ${file}`
}
