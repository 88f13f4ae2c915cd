import { embeddedKms } from '../kms'
import { type Step } from '../stage'

/** US dollars per request: https://aws.amazon.com/kms/pricing/ */
const PRICE = 0.03 / 10_000

export const costs: Step = {
  title: 'What KMS was asked, and what that costs',

  play(stage) {
    const { narrator } = stage
    const { GenerateDataKey, Decrypt, Encrypt } = stage.kmsCalls()
    const total = GenerateDataKey + Decrypt + Encrypt
    narrator.table(
      [
        ['GenerateDataKey', right(GenerateDataKey), 'a new data key'],
        ['Decrypt', right(Decrypt), 'a data key, once per process, or a value of direct mode'],
        ['Encrypt', right(Encrypt), 'a value of direct mode'],
        ['in all', right(total), `${(total * PRICE).toFixed(6)} USD, at 0.03 USD per 10,000 calls`],
      ],
      ['operation', 'calls', 'for'],
    )
    if (embeddedKms) {
      const { calls } = embeddedKms
      narrator.proves(
        'The embedded KMS counted the same, and the one Decrypt without the library.',
        ['GenerateDataKey', 'Decrypt', 'Encrypt'].map((operation) => calls.count(operation)),
        [GenerateDataKey, Decrypt + 1, Encrypt],
      )
    }
    return Promise.resolve()
  },
}

function right(count: number): string {
  return String(count).padStart('calls'.length)
}
