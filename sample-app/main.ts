import './before-start'
import { databaseName, isSqlite } from './database'
import { printFailure } from './failure'
import { kmsName } from './kms'
import { Narrator } from './narrator'
import { Stage } from './stage'
import { steps } from './steps'

async function main(): Promise<void> {
  const narrator = new Narrator(process.stdout)
  narrator.title(
    'typeorm-kms-encrypted: the sample app',
    'Users get an Ed25519 key pair each. The private key is in their row, encrypted under AWS KMS.',
  )
  narrator.table([
    ['database', databaseName()],
    ['KMS', kmsName],
  ])
  const stage = await Stage.set(narrator)
  try {
    for (const [index, step] of steps.entries()) {
      narrator.heading(index + 1, step.title)
      await step.play(stage)
    }
  } finally {
    await stage.clear()
  }
  narrator.gap()
  narrator.say(`The end. All ${narrator.proven} claims of this story were checked, and hold.`, 'green')
  if (narrator.leftOut > 0) narrator.say(`Left out, for the reasons given: ${narrator.leftOut} of its parts.`)
  narrator.say(
    isSqlite()
      ? `Its rows are left to be looked at (${databaseName()}); the next run begins anew.`
      : "The sample's tables are dropped again.",
  )
}

// Success must be earned: whatever ends the process early leaves the status at 1.
process.exitCode = 1
main().then(
  () => {
    process.exitCode = 0
  },
  (error: unknown) => {
    printFailure(error)
  },
)
