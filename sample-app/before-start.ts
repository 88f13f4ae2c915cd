/**
 * What must happen before `ormconfig.ts` is loaded, which opens the sample's files. So it is imported first.
 */
import { rmSync } from 'node:fs'
import { printFailure } from './failure'
import { databaseFile, keyFile } from './files'

/** The story begins anew with each run. */
for (const file of [databaseFile, `${databaseFile}-journal`, keyFile]) rmSync(file, { force: true })

/** The AWS SDK's own switch for its note, on older Node versions, that later SDKs will need a newer one. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

/** What is wrong with the environment shows while `ormconfig.ts` is loaded. */
process.once('uncaughtException', (error) => {
  printFailure(error)
  process.exit(1)
})
