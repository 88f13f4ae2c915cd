import { InvalidOptionError, UntrustedKeyError } from '../../../../src/errors'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'

const KEY = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const check = (trusted: readonly string[] | undefined, keyArn: string): (() => void) => {
  const keys = new TrustedKeys(trusted)
  return () => {
    keys.check(keyArn)
  }
}

describe('Trusted keys', () => {
  test.each([
    [undefined, false],
    [[], true],
    [[KEY], true],
  ])('are named by %p: %s', (trusted, areNamed) => {
    expect(new TrustedKeys(trusted).areNamed).toBe(areNamed)
  })

  test('are all keys if the option is not given', () => {
    expect(check(undefined, KEY)).not.toThrow()
  })

  test('are none if the list is empty', () => {
    expect(check([], KEY)).toThrow(UntrustedKeyError)
  })

  test('are those whose ARN is listed', () => {
    expect(check([KEY], KEY)).not.toThrow()
    expect(check(['444455556666', KEY], KEY)).not.toThrow()
  })

  test('are those of an account that is listed', () => {
    expect(check(['111122223333'], KEY)).not.toThrow()
  })

  test.each([
    ['another key of the account', KEY.replace('1234abcd', '00000000')],
    ['another account', KEY.replace('111122223333', '444455556666')],
    ['another Region', KEY.replace('us-east-1', 'us-west-2')],
    ['another partition', KEY.replace('arn:aws:', 'arn:aws-cn:')],
    ['a longer ARN', `${KEY}0`],
    ['an account id in another place', 'arn:aws:kms:us-east-1:444455556666:key/111122223333'],
    ['no ARN', '111122223333'],
  ])('are not: %s', (_, keyArn) => {
    const trusted = keyArn.includes('4444') || !keyArn.startsWith('arn') ? [KEY, '999988887777'] : [KEY]
    expect(check(trusted, keyArn)).toThrow(UntrustedKeyError)
    expect(check(trusted, keyArn)).toThrow(keyArn)
  })

  test('do not follow from the account id elsewhere in the ARN', () => {
    expect(check(['111122223333'], 'arn:aws:kms:us-east-1:444455556666:key/111122223333')).toThrow(
      UntrustedKeyError,
    )
  })

  test.each([
    ['an alias', 'alias/my-app'],
    ['the ARN of an alias', 'arn:aws:kms:us-east-1:111122223333:alias/my-app'],
    ['a key id', '1234abcd-12ab-34cd-56ef-1234567890ab'],
    ['a pattern', 'arn:aws:kms:us-east-1:111122223333:key/*'],
    ['an account with dashes', '1111-2222-3333'],
    ['an ARN and more', `${KEY} `],
    ['nothing', ''],
  ])('cannot be given as %s', (_, entry) => {
    expect(() => new TrustedKeys([entry])).toThrow(InvalidOptionError)
    expect(() => new TrustedKeys([entry])).toThrow(/key ARNs .* and account ids/)
  })

  test('can be given in every partition, and as multi-Region keys', () => {
    const keys = [
      'arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
      'arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
      'arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab',
    ]
    for (const key of keys) expect(check([key], key)).not.toThrow()
  })
})
