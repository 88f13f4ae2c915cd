import { type Step } from '../stage'
import { kmsKey } from './01-kms-key'
import { register } from './02-register'
import { sideBySide } from './03-side-by-side'
import { signIn } from './04-sign-in'
import { newKey } from './05-new-key'
import { direct } from './06-direct'
import { manyUsers } from './07-many-users'
import { disabledKey } from './08-disabled-key'
import { deletion } from './09-deletion'
import { forgotten } from './10-forgotten'
import { costs } from './11-costs'

/** The story. */
export const steps: readonly Step[] = [
  kmsKey,
  register,
  sideBySide,
  signIn,
  newKey,
  direct,
  manyUsers,
  disabledKey,
  deletion,
  forgotten,
  costs,
]
