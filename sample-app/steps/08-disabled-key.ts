import { mayDisableKey } from '../kms'
import { disableKey, enableKey } from '../kms-key'
import { type Step } from '../stage'

export const disabledKey: Step = {
  title: 'The KMS key is disabled, and enabled again',

  async play(stage) {
    const { narrator, application, keyArn } = stage
    if (!mayDisableKey) {
      narrator.leaveOut('disabling the key', 'It is yours, and others may be using it.')
      return
    }
    const readAda = () => application.users.find('ada@example.org')
    await stage.inFreshProcess(async ({ users }) => {
      const readAdaAfresh = () => users.find('ada@example.org')
      await disableKey(keyArn)
      try {
        await narrator.provesError(
          'A process that starts now cannot read private keys',
          'KMS_KEY_DISABLED',
          readAdaAfresh,
        )
        narrator.proves(
          'A process that holds the data key reads on, until the key is 5 minutes old.',
          (await readAda()).displayName,
          'Ada Lovelace',
        )
      } finally {
        await enableKey(keyArn)
      }
      narrator.proves(
        'With the key enabled again, the new process reads as well: nothing was lost.',
        (await readAdaAfresh()).privateKey === (await readAda()).privateKey,
      )
    })
  },
}
