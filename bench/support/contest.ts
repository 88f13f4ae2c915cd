import { scope } from '../contenders/library'
import { NodeCrypto } from '../contenders/node-crypto'
import { type Place } from './databases'
import { BareUser, BlobUser, EncryptedUser, PlainUser, TransformedUser } from './entities'
import { type BenchKms } from './kms'
import { Table } from './tables'

/** The tables of all contenders on one database, and the limit. */
export interface Contest {
  plain: Table<PlainUser>
  blob: Table<BlobUser>
  bareTransformed: Table<BareUser>
  transformed: Table<TransformedUser>
  encrypted: Table<EncryptedUser>
  bare: NodeCrypto
}

export async function withContest(
  place: Place,
  kms: BenchKms,
  body: (contest: Contest) => Promise<void>,
): Promise<void> {
  const plain = await Table.open(place, PlainUser)
  const blob = await Table.open(place, BlobUser)
  const bareTransformed = await Table.open(place, BareUser)
  const transformed = await Table.open(place, TransformedUser)
  const encrypted = await Table.open(place, EncryptedUser, { kms })
  const tables = [plain, blob, bareTransformed, transformed, encrypted]
  try {
    const bare = new NodeCrypto(scope.aad.length)
    await body({ plain, blob, bareTransformed, transformed, encrypted, bare })
  } finally {
    for (const table of tables) {
      await table.repository.clear()
      await table.close()
    }
  }
}
