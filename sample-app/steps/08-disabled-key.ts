import { type Application } from '../application'
import { mayDisableKey } from '../kms'
import { disableKey, enableKey, isUsable } from '../kms-key'
import { type Stage, type Step } from '../stage'

export const disabledKey: Step = {
  title: 'The KMS key is disabled, and enabled again',

  async play(stage) {
    const { narrator, application, keyId } = stage
    if (!mayDisableKey) {
      narrator.leaveOut('disabling the key', 'It is yours, and others may be using it.')
      return
    }
    await stage.inFreshProcess(async (fresh) => {
      await disableKey(keyId)
      try {
        await readWithDisabledKey(stage, fresh)
      } finally {
        await enableKey(keyId)
      }
      narrator.proves(
        'With the key enabled again, the new process reads as well: nothing was lost.',
        (await readAda(fresh)).privateKey === (await readAda(application)).privateKey,
      )
    })
  },
}

async function readWithDisabledKey(
  { narrator, application, keyId }: Stage,
  fresh: Application,
): Promise<void> {
  if (await isUsable(keyId)) {
    narrator.leaveOut('reading under a disabled key', 'This KMS works under it as if it were enabled.')
    return
  }
  await narrator.provesError('A process that starts now cannot read private keys', 'KMS_KEY_DISABLED', () =>
    readAda(fresh),
  )
  narrator.proves(
    'A process that holds the data key reads on, until the data key is 5 minutes old.',
    (await readAda(application)).displayName,
    'Ada Lovelace',
  )
}

const readAda = ({ users }: Application) => users.find('ada@example.org')
