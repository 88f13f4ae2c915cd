import { type Command } from '../command'
import { decrypt } from './decrypt'
import { doctor } from './doctor'
import { encrypt } from './encrypt'
import { forgetCommand } from './forget'
import { init } from './init'
import { inspect } from './inspect'
import { keyCommands } from './keys'
import { leakage } from './leakage'
import { localKms } from './local-kms'
import { migrationGenerate } from './migration-generate'
import { report } from './report'
import { rotate } from './rotate'
import { status } from './status'
import { verify } from './verify'

/** All commands, in the order of the help. Each file in this folder holds one, or one family. */
export const commands: readonly Command[] = [
  init,
  ...keyCommands,
  migrationGenerate,
  status,
  encrypt,
  verify,
  rotate,
  forgetCommand,
  decrypt,
  doctor,
  report,
  leakage,
  inspect,
  localKms,
]
