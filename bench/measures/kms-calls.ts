import { type Bench } from '../support/bench'
import { EncryptedUser } from '../support/entities'
import { Table } from '../support/tables'
import { newUsers, privateKeys, ROWS } from '../support/workload'

/** Writes and reads rows as two fresh processes would, and counts what KMS is asked. */
export async function countKmsCalls({ kms, places, report }: Bench): Promise<void> {
  const { calls } = kms.kms
  for (const place of places) {
    const writer = await Table.open(place, EncryptedUser, { kms })
    await writer.repository.clear()
    calls.reset()
    await writer.repository.save(newUsers(privateKeys(ROWS)), { chunk: 1_000 })
    const written = { all: calls.count(), generated: calls.count('GenerateDataKey') }
    const stored = await writer.stored()
    await writer.close()

    const reader = await Table.open(place, EncryptedUser, { kms })
    if ((await reader.repository.count()) === 0) await reader.insertRaw(stored)
    calls.reset()
    await reader.repository.find()
    const read = { all: calls.count(), decrypted: calls.count('Decrypt') }
    await reader.repository.clear()
    await reader.close()

    report.find({
      measure: 'KMS calls for 10,000 inserts and 10,000 reads in fresh processes',
      on: place.name,
      measured: `${written.generated} GenerateDataKey, ${read.decrypted} Decrypt, ${written.all + read.all - written.generated - read.decrypted} others`,
      target: '1 GenerateDataKey, 1 Decrypt',
      met: written.generated === 1 && written.all === 1 && read.decrypted === 1 && read.all === 1,
    })
  }
}
