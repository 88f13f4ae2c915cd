import { AwsEncryptionSdk } from '../contenders/aws-encryption-sdk'
import { LibraryCipher, scope } from '../contenders/library'
import { NodeCrypto } from '../contenders/node-crypto'
import { transformed, typeormEncrypted } from '../contenders/typeorm-encrypted'
import { type Bench } from '../support/bench'
import { type Run, timeInTurns } from '../support/rounds'
import { median, ratios } from '../support/statistics'
import { privateKeys } from '../support/workload'

const VALUES = 5_000
const VALUES_OF_SDK = 200

/** A cipher to be timed, with the text of a value in and out. */
interface Contender {
  seal: (text: string) => Buffer
  open: (bytes: Buffer) => string
}

/** Seals and opens one value after the other. */
export async function sealAndOpen({ kms, report, quick }: Bench): Promise<void> {
  const library = await LibraryCipher.withDataKey(kms)
  const bare = new NodeCrypto(scope.aad.length)
  const values = privateKeys(VALUES)
  const samples = await timeInTurns(
    [
      {
        name: 'node:crypto',
        run: () => {
          sealAndOpenAll(bare, values)
        },
      },
      {
        name: 'this library',
        run: () => {
          sealAndOpenAll(library, values)
        },
      },
      {
        name: 'typeorm-encrypted',
        run: () => {
          transformAll(values)
        },
      },
    ],
    { rounds: quick ? 15 : 41, warmUp: 5 },
  )
  library.close()
  report.time({
    measure: 'seal and open a value',
    unit: 'µs',
    values: VALUES,
    samples,
    base: 'node:crypto',
  })
  const ratio = median(ratios(samples['this library'], samples['node:crypto']))
  report.find({
    measure: 'seal and open one value, cached data key',
    measured: `${ratio.toFixed(2)} × node:crypto`,
    target: '≤ 1.25 × bare node:crypto',
    met: ratio <= 1.25,
  })
  await encryptionSdk({ kms, report, quick, bare })
}

/** In turns of its own, with fewer values: it is slower by far. */
async function encryptionSdk({
  kms,
  report,
  quick,
  bare,
}: Pick<Bench, 'kms' | 'report' | 'quick'> & { bare: NodeCrypto }): Promise<void> {
  const values = privateKeys(VALUES_OF_SDK)
  const signed = new AwsEncryptionSdk(kms, { signed: true })
  const unsigned = new AwsEncryptionSdk(kms, { signed: false })
  const runs = [
    {
      name: 'node:crypto',
      run: () => {
        sealAndOpenAll(bare, values)
      },
    },
    { name: 'AWS Encryption SDK, unsigned', run: () => sealAndOpenEach(unsigned, values) },
    { name: 'AWS Encryption SDK, signed', run: () => sealAndOpenEach(signed, values) },
  ] as const satisfies readonly Run[]
  const samples = await timeInTurns(runs, { rounds: quick ? 3 : 9, warmUp: 1 })
  report.time({
    measure: 'seal and open a value',
    unit: 'µs',
    values: VALUES_OF_SDK,
    samples,
    base: 'node:crypto',
  })
}

function sealAndOpenAll(contender: Contender, values: readonly string[]): void {
  for (const value of values) check(contender.open(contender.seal(value)), value)
}

async function sealAndOpenEach(contender: AwsEncryptionSdk, values: readonly string[]): Promise<void> {
  for (const value of values) check(await contender.open(await contender.seal(value)), value)
}

function transformAll(values: readonly string[]): void {
  for (const value of values) {
    check(typeormEncrypted.from(transformed(value)) ?? '', value)
  }
}

function check(opened: string, value: string): void {
  if (opened !== value) throw new Error('A contender gave another value back')
}
