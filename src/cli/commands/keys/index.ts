import { type Command } from '../../command'
import { changeStateCommands } from './change-state'
import { createKey } from './create'
import { createIndexKey } from './create-index-key'
import { describeKey } from './describe'
import { listKeys } from './list'
import { keyPolicy } from './policy'
import { rewrapIndexKey } from './rewrap-index-key'
import { scheduleDeletion } from './schedule-deletion'

/** The life of a KMS key. */
export const keyCommands: readonly Command[] = [
  createKey,
  listKeys,
  describeKey,
  createIndexKey,
  rewrapIndexKey,
  ...changeStateCommands,
  scheduleDeletion,
  keyPolicy,
]
