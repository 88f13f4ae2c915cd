import { randomBytes, verify } from 'node:crypto'
import { hex } from '../layout'
import { type Step } from '../stage'

export const signIn: Step = {
  title: 'Ada signs a challenge',

  async play({ narrator, application: { users } }) {
    narrator.say('A server sends 32 random bytes. They are signed with the private key from her row.')
    const challenge = randomBytes(32)
    const signature = await users.sign('ada@example.org', challenge)
    narrator.table([
      ['challenge', hex(challenge, 16)],
      ['signature', hex(signature, 16)],
    ])

    const ada = await users.find('ada@example.org')
    narrator.proves(
      "Ada's public key verifies the signature.",
      verify(null, challenge, ada.publicKey, signature),
    )
    const emmy = await users.find('emmy@example.org')
    narrator.proves("Emmy's does not.", verify(null, challenge, emmy.publicKey, signature), false)
  },
}
