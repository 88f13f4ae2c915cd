import { keyTag } from '../../../cipher/format'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type Arguments, type Command, CommandFailed, UsageError } from '../../command'
import { KMS_OPTIONS, withKmsClient } from '../../kms-client'
import { type Terminal } from '../../terminal'
import { type Anatomy, anatomyOf } from './anatomy'
import { parseCiphertext, readCiphertext } from './input'

interface KnownKey {
  arn: string
  aliases: readonly string[]
}

export const inspect: Command = {
  name: 'inspect',
  positionals: 'CIPHERTEXT',
  summary: 'Explains a ciphertext: hexadecimal, base64, or - for stdin. It decrypts nothing.',
  options: {
    key: { type: 'string', value: 'ARN', help: 'KMS keys that it may be under, with commas' },
    'list-keys': { type: 'boolean', help: 'looks for its key among those of the account and region' },
    ...KMS_OPTIONS,
  },
  async run(args, terminal) {
    const given = args.required(0)
    const bytes = given === '-' ? await readCiphertext(terminal.stdin) : parseCiphertext(given)
    const anatomy = anatomyOf(bytes)
    if (!anatomy) {
      throw new CommandFailed(
        'that is no ciphertext: it neither begins with C1 01 nor looks like a CiphertextBlob of KMS. It may be a value that was never encrypted.',
      )
    }
    const known = await knownKeys(args)
    const key = known?.find(({ arn }) => keyTag(arn).toString('hex') === anatomy.keyTag)
    print(anatomy, key, known, terminal)
    terminal.printJson({ ...anatomy, keyArn: key?.arn })
  },
}

/** The keys to compare with; `undefined` if the user named none and did not ask for KMS's. */
async function knownKeys(args: Arguments): Promise<KnownKey[] | undefined> {
  const given = args.text('key')
  if (given !== undefined) {
    const arns = given.split(',').map((arn) => arn.trim())
    const wrong = arns.find((arn) => !/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/.test(arn))
    if (wrong !== undefined) {
      throw new UsageError(
        `--key takes ARNs of keys, arn:aws:kms:REGION:ACCOUNT:key/ID, not ${JSON.stringify(wrong)}`,
      )
    }
    return arns.map((arn) => ({ arn, aliases: [] }))
  }
  const asked =
    args.flag('list-keys') || Object.keys(KMS_OPTIONS).some((name) => args.text(name) !== undefined)
  if (!asked) return undefined
  return withKmsClient(args, (client) => new KeyAdministration(client).arns())
}

function print(
  anatomy: Anatomy,
  key: KnownKey | undefined,
  known: readonly KnownKey[] | undefined,
  terminal: Terminal,
): void {
  const { sizes, keyTag: tag } = anatomy
  const bytes = (size: number | undefined): string | undefined =>
    size === undefined ? undefined : `${size.toLocaleString('en')} ${size === 1 ? 'byte' : 'bytes'}`
  terminal.fields([
    [
      'format',
      anatomy.format === 'CiphertextBlob' ? 'CiphertextBlob of KMS Encrypt, with no header' : undefined,
    ],
    ['version', anatomy.version?.toString()],
    ['suite', suiteText(anatomy)],
    ['key tag', tag],
    ['KMS key', key ? [key.arn, ...key.aliases].join(', ') : undefined],
    ['size', bytes(sizes.total)],
    ['encrypted data key', bytes(sizes.encryptedDataKey)],
    ['CiphertextBlob', bytes(sizes.ciphertextBlob)],
    ['value', anatomy.empty ? 'empty' : bytes(sizes.plaintext)],
  ])
  if (key) return
  terminal.note(
    tag === undefined
      ? 'Only KMS can tell the key of a CiphertextBlob: its Decrypt returns the KeyId.'
      : known === undefined
        ? 'The tag tells the KMS key: compare with --key ARN, or with those of your account with --list-keys.'
        : `None of the keys there has this tag (${known.length} compared): it is in another account or region, or was deleted.`,
  )
}

function suiteText({ suite, mode }: Anatomy): string | undefined {
  if (suite === undefined) return undefined
  return `${suite}, ${mode === 'envelope' ? 'envelope: AES-256-GCM under a data key' : 'direct: KMS Encrypt of the value itself'}`
}
