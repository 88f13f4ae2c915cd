import { KeyAdministration } from '../../kms/aws/key-administration'
import { type ColumnStatus, columnStatus, type KeyCount } from '../../migration'
import { type BoundColumn } from '../../orm/bound-column'
import { type Command } from '../command'
import { withDataSource } from '../data-source'
import { chosenColumns, COLUMN_OPTIONS } from '../migration-options'
import { amount } from '../progress'
import { clientOf } from './doctor/kms'
import { placeOf } from './keys/key-usage'

export const status: Command = {
  name: 'status',
  summary: 'Counts per encrypted column: NULL, plaintext, and ciphertext per KMS key.',
  options: COLUMN_OPTIONS,
  async run(args, terminal) {
    await withDataSource(args, async (dataSource) => {
      const statuses: ColumnStatus[] = []
      for (const column of chosenColumns(dataSource, args)) {
        const { target, propertyPath } = placeOf(column)
        const keys = await knownKeys(column)
        statuses.push(await columnStatus(dataSource, target, propertyPath, { keys }))
      }
      terminal.table(
        ['column', 'rows', 'NULL', 'plaintext', 'ciphertext', 'format, KMS key'],
        statuses.flatMap(lines),
      )
      terminal.printJson(statuses)
    })
  },
}

/** ARN of the column's key. Not being allowed to ask is no reason to stop: then the key tag is shown. */
async function knownKeys(column: BoundColumn): Promise<string[]> {
  const { keyId } = column.recipe
  const client = clientOf(column)
  if (!client || keyId.startsWith('arn:')) return [keyId]
  try {
    return [(await new KeyAdministration(client).metadata(keyId)).Arn]
  } catch {
    return []
  }
}

function lines(found: ColumnStatus): string[][] {
  const first = [
    `${found.entity}.${found.property}`,
    amount(found.rows),
    amount(found.null),
    amount(found.plaintext),
  ]
  const groups = [
    ...found.ciphertext.map((count) => [amount(count.rows), nameOf(count)]),
    ...(found.otherStorage > 0
      ? [[amount(found.otherStorage), 'of these as base64 or bytes against storage: rotate']]
      : []),
    ...(found.bare > 0 ? [[amount(found.bare), 'KMS blob of another program']] : []),
    ...(found.unknown > 0 ? [[amount(found.unknown), 'unknown format']] : []),
  ]
  if (groups.length === 0) groups.push(['0', ''])
  return groups.map((group, index) => [...(index === 0 ? first : ['', '', '', '']), ...group])
}

function nameOf({ version, mode, keyTag, keyArn }: KeyCount): string {
  return `v${version} ${mode}, ${keyArn ?? `key tag ${keyTag}`}`
}
