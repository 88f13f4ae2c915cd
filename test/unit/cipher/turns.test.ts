import { Cipher } from '../../../src/cipher/cipher'
import { Scope } from '../../../src/cipher/scope'
import { AwsKms } from '../../../src/kms/aws/aws-kms'
import { TrustedKeys } from '../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../src/local-kms'
import { inTime, startClock, stopClock, until } from '../../support/clock'
import { createKey } from '../kms/keys'

const LIMITS = { maxAge: 60_000, maxValues: 1_000, maxKeys: 100 }
const VALUES = 20

const note = new Scope({ table: 'note' }, { column: 'text' })
const user = new Scope({ table: 'user' }, { column: 'secret' })

describe.each([
  ['values', false],
  ['forgeries', true],
])('Pages of %s that are a call to KMS each', (_, forged) => {
  afterEach(startClock)

  test.each([
    // Its next call waits until the other read had its turn.
    { pages: 1, concurrency: 1, delayed: 0 },
    { pages: 1, concurrency: 4, delayed: 0 },
    // Each page has a turn; in the order of arrival, the four calls that each has in the queue would come first.
    { pages: 8, concurrency: 4, delayed: 8 },
  ])('delay another read by one call each at most: %o', async ({ pages: count, concurrency, delayed }) => {
    const local = new LocalKms()
    const keyId = await createKey(local)
    const client = local.client()
    const kms = new AwsKms({ client, concurrency, trustedKeys: new TrustedKeys(undefined) })
    const writer = new Cipher(kms, LIMITS)
    const recipe = { keyId, scope: note }
    const values = await Promise.all(
      Array.from({ length: count * VALUES }, (__, i) =>
        writer.encrypt(`${i}`, { ...recipe, mode: 'direct' }),
      ),
    )
    if (forged) for (const value of values) value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1
    const other = await writer.encrypt('a secret', { mode: 'envelope', keyId, scope: user })

    /** Tables of the calls, in the order in which they were sent. */
    const sent: (string | undefined)[] = []
    client.middlewareStack.add(
      (next) => (args) => {
        if ('EncryptionContext' in args.input) sent.push(args.input.EncryptionContext?.['table'])
        return next(args)
      },
      { step: 'initialize' },
    )
    local.misbehave({ latency: 10 })
    stopClock()
    const cipher = new Cipher(kms, LIMITS)
    const pages = Array.from({ length: count }, (__, page) =>
      cipher.openAll(
        values.slice(page * VALUES, (page + 1) * VALUES).map((stored) => ({ stored, scopes: [note] })),
      ),
    )
    await until(() => sent.length === concurrency)
    const before = sent.length
    expect((await inTime(cipher.decrypt(other, user))).toString()).toBe('a secret')
    expect(sent.indexOf('user') - before).toBeGreaterThanOrEqual(0)
    expect(sent.indexOf('user') - before).toBeLessThanOrEqual(delayed)
    const outcomes = (await inTime(Promise.all(pages))).flat()
    expect(outcomes).toHaveLength(count * VALUES)
    expect(outcomes.every((outcome) => Buffer.isBuffer(outcome) === !forged)).toBe(true)
  })
})
