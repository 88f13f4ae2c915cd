import { isSameKey } from '../../../kms/aws/key-arn'
import { usedIndexRoot } from '../../../migration/indexes/index-root'
import { boundColumns } from '../../../orm/bound-columns'
import { type Command, UsageError } from '../../command'
import { DATA_SOURCE_OPTIONS, withDataSource } from '../../data-source'

export const rewrapIndexKey: Command = {
  name: 'keys rewrap-index-key',
  summary: 'Moves the key of blind indexes (indexKey) to another KMS key; indexes stay as they are.',
  positionals: 'KEY',
  options: DATA_SOURCE_OPTIONS,
  async run(args, terminal) {
    const to = args.required(0)
    const moved = await withDataSource(args, async (dataSource) => {
      const used = usedIndexRoot(dataSource.entityMetadatas.flatMap(boundColumns))
      if (used) return used.root.movedTo(to)
      throw new UsageError(
        'no column of the DataSource has a blind index whose key is in the option indexKey. Index keys in the key table are moved by typeorm-kms rotate.',
      )
    })
    terminal.printJson(moved)
    if (isSameKey(moved.from, moved.to)) {
      terminal.print(`indexKey is under ${moved.to} already. There is nothing to do.`)
      return
    }
    terminal.print(`Moved the index key, from ${moved.from} to ${moved.to}. For the environment:\n`)
    terminal.print(`  KMS_INDEX_KEY=${moved.indexKey}\n`)
    terminal.print(
      'It is the same key: the indexes stay as they are, and processes with the one or the other text find the same. The text of before needs its KMS key until no process has it any more.',
    )
  },
}
