import { type Command } from '../../command'
import { changeStateCommands } from './change-state'
import { createKey } from './create'
import { describeKey } from './describe'
import { listKeys } from './list'

/** The life of a KMS key. */
export const keyCommands: readonly Command[] = [createKey, listKeys, describeKey, ...changeStateCommands]
