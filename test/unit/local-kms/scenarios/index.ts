import { administration } from './administration'
import { encryption } from './encryption'
import { identifiers } from './identifiers'
import { limits } from './limits'
import { type Scenario } from './scenario'
import { states } from './states'

/** For the embedded KMS and for any other endpoint. */
export const SCENARIOS: readonly Scenario[] = [
  ...identifiers,
  ...states,
  ...encryption,
  ...limits,
  ...administration,
]
