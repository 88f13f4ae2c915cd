import { type Application } from '../application'
import { mayDisableKey } from '../kms'
import { cancelDeletion, isUsable, scheduleDeletion } from '../kms-key'
import { type Stage, type Step } from '../stage'

const DAY = 24 * 60 * 60 * 1000
const WAITING_DAYS = 7

export const deletion: Step = {
  title: 'The deletion of the KMS key is scheduled, and cancelled',

  async play(stage) {
    const { narrator, keyId } = stage
    if (!mayDisableKey) {
      narrator.leaveOut('scheduling the deletion of the key', 'It is yours, and others may be using it.')
      return
    }
    narrator.say(
      'Without its KMS key no value can be read, ever, nor from a backup. So KMS waits 7 to 30 days.',
    )
    await stage.inFreshProcess(async (fresh) => {
      const date = await scheduleDeletion(keyId, WAITING_DAYS)
      try {
        narrator.proves(
          `KMS will delete the key on ${inUtc(date)}; until then that can be cancelled.`,
          Math.round((date.getTime() - Date.now()) / DAY),
          WAITING_DAYS,
        )
        await readBeforeDeletion(stage, fresh)
      } finally {
        await cancelDeletion(keyId)
      }
      narrator.proves(
        'Three users are still under this key, so the deletion is cancelled, and they can be read again.',
        (await fresh.users.repository.find()).length,
        3,
      )
    })
  },
}

async function readBeforeDeletion({ narrator, keyId }: Stage, fresh: Application): Promise<void> {
  if (await isUsable(keyId)) {
    narrator.leaveOut('reading before the deletion', 'This KMS works under the key as if it were enabled.')
    return
  }
  await narrator.provesError('The key cannot be used meanwhile', 'KMS_KEY_PENDING_DELETION', () =>
    fresh.users.find('ada@example.org'),
  )
}

function inUtc(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' at ')} UTC`
}
