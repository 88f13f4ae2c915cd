import { type Command } from '../command'

/** All commands, in the order of the help. Each file in this folder holds one, or one family. */
export const commands: readonly Command[] = []
