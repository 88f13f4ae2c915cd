import { AwsEncryptionSdk } from '../contenders/aws-encryption-sdk'
import { LibraryCipher } from '../contenders/library'
import { transformed } from '../contenders/typeorm-encrypted'
import { type Bench } from '../support/bench'
import { privateKey } from '../support/workload'

/** Bytes that a value of 128 takes in the database. */
export async function storedSize({ kms, report }: Bench): Promise<void> {
  const value = privateKey()
  const library = await LibraryCipher.withDataKey(kms)
  const bytes = library.seal(value)
  library.close()
  const unsigned = await new AwsEncryptionSdk(kms, { signed: false }).seal(value)
  const signed = await new AwsEncryptionSdk(kms, { signed: true }).seal(value)
  const peer = transformed(value).length
  report.find({
    measure: 'stored size of a value of 128 bytes',
    measured: `${bytes.length} bytes, of which the encrypted data key has ${bytes.readUInt16BE(7)}. AWS Encryption SDK: ${unsigned.length}, signed ${signed.length}; typeorm-encrypted, with no encrypted data key: ${peer}`,
    target: '≤ 350 bytes',
    met: bytes.length <= 350,
  })
}
