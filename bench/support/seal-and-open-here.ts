/** Says how many microseconds of processor time this Node takes to seal and to open a value of 128 characters. */
import { LibraryCipher } from '../contenders/library'
import { startKms } from './kms'
import { median } from './statistics'
import { privateKeys } from './workload'

const ROUNDS = 25
const WARM_UP = 6

async function main(): Promise<void> {
  const library = await LibraryCipher.withDataKey(await startKms())
  const values = privateKeys(5_000)
  const took = { seal: [] as number[], open: [] as number[] }
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const sealing = process.cpuUsage()
    const sealed = values.map((value) => library.seal(value))
    const seal = microseconds(sealing)
    const opening = process.cpuUsage()
    for (const bytes of sealed) library.open(bytes)
    const open = microseconds(opening)
    if (round < 0) continue
    took.seal.push(seal / values.length)
    took.open.push(open / values.length)
  }
  library.close()
  process.stdout.write(JSON.stringify({ seal: median(took.seal), open: median(took.open) }))
}

function microseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

void main()
