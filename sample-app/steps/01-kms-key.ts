import { embeddedKms, keyId } from '../kms'
import { createKey, describeKey, ifAllowed, listKeys } from '../kms-key'
import { type Step } from '../stage'

export const kmsKey: Step = {
  title: embeddedKms ? 'A KMS key is created, and found among those listed' : 'The KMS key is found',

  async play(stage) {
    const { narrator } = stage
    if (embeddedKms) {
      narrator.say('Its key material never leaves KMS. The application knows the key by an alias.')
      await createKey()
    } else {
      narrator.say('KMS_KEY_ID names a key that exists, so none is created.')
    }

    const key = await describeKey()
    stage.keyId = key.KeyId ?? ''
    stage.keyArn = key.Arn ?? ''
    narrator.table([
      [embeddedKms ? 'alias' : 'KMS_KEY_ID', keyId],
      ['ARN', stage.keyArn],
      ['description', key.Description || '(none)'],
      ['created', key.CreationDate?.toISOString() ?? '(unknown)'],
    ])
    narrator.proves(
      'It is enabled, and a symmetric key for encryption.',
      [key.KeyState, key.KeySpec],
      ['Enabled', 'SYMMETRIC_DEFAULT'],
    )

    const listed = await ifAllowed(listKeys())
    if (listed) {
      narrator.proves(
        `It is among the keys that KMS lists (${listed.length} in all).`,
        listed.some(({ KeyArn }) => KeyArn === stage.keyArn),
      )
    } else {
      narrator.leaveOut('the list of keys', 'This role may not see it; an application need not.')
    }
  },
}
