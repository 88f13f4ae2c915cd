import { Like } from 'typeorm'
import { type Stage, type Step } from '../stage'
import { newKeyPair, type NewUser } from '../users'

const COUNT = 1_000
const DOMAIN = '@many.example.org'

export const manyUsers: Step = {
  title: 'A thousand users more',

  async play(stage) {
    const newcomers = Array.from({ length: COUNT }, (_, index) => ({
      email: `user-${index}${DOMAIN}`,
      displayName: `User ${index}`,
      recovery: null,
      ...newKeyPair(),
    }))
    const newcomersInDatabase = { email: Like(`%${DOMAIN}`) }
    const before = stage.kmsCalls()
    const saving = performance.now()
    await save(stage, newcomers)
    stage.narrator.proves(
      'They are saved under the data key of the first three: no call to KMS.',
      stage.kmsCalls(),
      before,
    )

    const reading = performance.now()
    const loaded = await stage.inFreshProcess(({ users }) => users.repository.findBy(newcomersInDatabase))
    const done = performance.now()
    const privateKeys = new Map(loaded.map(({ email, privateKey }) => [email, privateKey]))
    stage.narrator.proves(
      'A fresh process reads them all, each with the right private key.',
      newcomers.every(({ email, privateKey }) => privateKeys.get(email) === privateKey),
    )
    stage.narrator.proves('That took one call to KMS: Decrypt, of the data key.', stage.kmsCalls(), {
      ...before,
      Decrypt: before.Decrypt + 1,
    })
    stage.narrator.say(`Saved in ${inMs(reading - saving)}, read in ${inMs(done - reading)}.`)
    await stage.application.users.repository.delete(newcomersInDatabase)
  },
}

/** Saves copies: what `save` returns is the very objects that it was given. */
async function save({ application }: Stage, newcomers: readonly NewUser[]): Promise<void> {
  await application.users.repository.save(
    newcomers.map((newcomer) => ({ ...newcomer })),
    { chunk: 250 },
  )
}

function inMs(milliseconds: number): string {
  return `${milliseconds.toFixed(0)} ms`
}
