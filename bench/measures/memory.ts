import { type Bench } from '../support/bench'
import { sqliteInMemory } from '../support/databases'
import { EncryptedUser } from '../support/entities'
import { collectGarbage } from '../support/rounds'
import { Table } from '../support/tables'
import { newUsers, privateKeys } from '../support/workload'

const ROWS = 100_000
const ROUNDS = 5
/** What a heap of this size varies by without growing. */
const TOLERANCE = 1

/** Reads many rows and drops them, again and again, and looks at what stays. */
export async function memoryHeld({ kms, report }: Bench): Promise<void> {
  const table = await Table.open(sqliteInMemory(), EncryptedUser, { kms })
  for (let row = 0; row < ROWS; row += 10_000) {
    await table.repository.save(newUsers(privateKeys(10_000)), { chunk: 1_000 })
  }
  const held: number[] = []
  for (let round = -1; round < ROUNDS; round++) {
    await readAndDrop(table)
    if (round >= 0) held.push(await heldMegabytes())
  }
  await table.close()
  const growth = held.at(-1)! - held[0]!
  report.find({
    measure: 'memory held after 100,000 rows read and dropped, five rounds',
    on: 'SQLite in memory',
    measured: `${held.map((megabytes) => megabytes.toFixed(1)).join(', ')} MB`,
    target: 'no growth',
    met: growth <= TOLERANCE,
  })
}

async function readAndDrop(table: Table<EncryptedUser>): Promise<void> {
  const users = await table.repository.find()
  if (users.length !== ROWS) throw new Error('Rows are missing')
}

/** Heap and buffers, when what is dropped after a while has been dropped. */
async function heldMegabytes(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  for (let pass = 0; pass < 3; pass++) collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}
