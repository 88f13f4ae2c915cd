import { type Command } from '../command'
import { doctor } from './doctor'
import { inspect } from './inspect'
import { keyCommands } from './keys'
import { localKms } from './local-kms'

/** All commands, in the order of the help. Each file in this folder holds one, or one family. */
export const commands: readonly Command[] = [...keyCommands, doctor, inspect, localKms]
