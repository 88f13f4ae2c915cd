import { createPrivateKey } from 'node:crypto'
import { type StoredRow } from '../application'
import { keyTagOf, partsOf } from '../ciphertext'
import { User } from '../entities/user'
import { hex } from '../layout'
import { type Step } from '../stage'

export const sideBySide: Step = {
  title: 'What the application sees, and what the row holds',

  async play({ narrator, application, keyArn }) {
    const rows = await application.storedRows(User)
    const row = rows[0]!
    const ada = await application.users.find('ada@example.org')
    const ciphertext = row['privateKey'] as Buffer
    narrator.table(
      [
        ['email', ada.email, String(row['email'])],
        ['displayName', ada.displayName, String(row['displayName'])],
        ['privateKey', `PEM, ${ada.privateKey.length} characters, not shown`, inHex(ciphertext)],
        ['recovery', JSON.stringify(ada.recovery), inHex(row['recovery'] as Buffer)],
      ],
      ['column', 'the application', 'the row'],
    )

    narrator.gap()
    narrator.say('The private key in the row, byte for byte:')
    narrator.table(partsOf(ciphertext).map(([bytes, meaning]) => [hex(bytes, 7), meaning]))

    narrator.proves('It begins with C1 01 01.', hex(ciphertext.subarray(0, 3)), 'C1 01 01')
    narrator.proves('Its key tag is that of the KMS key.', ciphertext.subarray(3, 7), keyTagOf(keyArn))
    narrator.proves('Nothing of the private key is anywhere in the row.', isIn(row, ada.privateKey), false)
    narrator.proves("Grace has no recovery codes: null is the database's NULL.", rows[2]?.['recovery'], null)
  },
}

/** Whether a row holds a private key in any form: PEM, its base64, or the key's 32 bytes. */
function isIn(row: StoredRow, privateKey: string): boolean {
  const der = createPrivateKey(privateKey).export({ format: 'der', type: 'pkcs8' })
  const stored = Buffer.concat(
    Object.values(row).map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))),
  )
  return ['PRIVATE KEY', der.toString('base64'), der.subarray(-32)].some((form) => stored.includes(form))
}

function inHex(ciphertext: Buffer): string {
  return `${hex(ciphertext, 7)} (${ciphertext.length} bytes)`
}
