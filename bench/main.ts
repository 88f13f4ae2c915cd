import 'reflect-metadata'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { boundRows } from './measures/bound-rows'
import { coldRead } from './measures/cold-read'
import { directMode } from './measures/direct-mode'
import { findRows } from './measures/find'
import { footprint } from './measures/footprint'
import { countKmsCalls } from './measures/kms-calls'
import { memoryHeld } from './measures/memory'
import { fullScan } from './measures/full-scan'
import { largerReads } from './measures/larger-reads'
import { migrateRows } from './measures/migrate'
import { nodeVersions } from './measures/node-versions'
import { applicationRequests } from './measures/requests'
import { saveNewRows } from './measures/save-new'
import { saveUnchangedRows } from './measures/save-unchanged'
import { sealAndOpen } from './measures/seal-and-open'
import { searchRows } from './measures/search'
import { startUp } from './measures/start-up'
import { steadyState } from './measures/steady-state'
import { storedDataKeys } from './measures/stored-keys'
import { storedSize } from './measures/stored-size'
import { untouchedStatements } from './measures/untouched'
import { unreadRows } from './measures/unread'
import { type Bench } from './support/bench'
import { mariadb, type Place, postgres, sqliteInMemory } from './support/databases'
import { startKms } from './support/kms'
import { describeMachine } from './support/machine'
import { Report } from './support/report'

const QUICK = { sealAndOpen, findRows, saveNewRows, saveUnchangedRows }
const ALL = {
  ...QUICK,
  countKmsCalls,
  coldRead,
  directMode,
  storedSize,
  storedDataKeys,
  fullScan,
  searchRows,
  boundRows,
  requests: applicationRequests,
  unreadRows,
  largerReads,
  untouchedStatements,
  steadyState,
  startUp,
  nodeVersions,
  memoryHeld,
  migrateRows,
  footprint,
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      on: { type: 'string', default: 'sqlite,mariadb,postgresql' },
    },
  })
  const { quick, only } = values
  const on = values.on.split(',')
  const head = describeMachine(quick ? 'npm run bench:quick' : 'npm run bench')
  const report = new Report()
  const places: Place[] = []
  const others: Place[] = []
  try {
    if (on.includes('sqlite')) places.push(sqliteInMemory())
    if (quick) report.note('A quick run measures on SQLite only; `npm run bench` measures everything.')
    else {
      const server = on.includes('mariadb') ? await mariadb() : undefined
      if (typeof server === 'string') report.note(`Not measured on MariaDB: ${server.split('\n')[0] ?? ''}`)
      else if (server !== undefined) places.push(server)
      const further = on.includes('postgresql') ? await postgres() : undefined
      if (further !== undefined) others.push(further)
    }
    const bench: Bench = { kms: await startKms(), places, allPlaces: [...places, ...others], report, quick }
    for (const [name, measure] of Object.entries(quick && only === '' ? QUICK : ALL)) {
      if (only === '' || only.split(',').includes(name)) await measure(bench)
    }
  } finally {
    for (const place of [...places, ...others]) await place.close()
  }
  const text = `${head}\n${report.toMarkdown()}`
  process.stdout.write(`${text}\n`)
  if (!quick && only === '' && on.length === 3) save(text)
}

function save(text: string): void {
  const folder = join(__dirname, 'results')
  mkdirSync(folder, { recursive: true })
  const file = `${new Date().toISOString().slice(0, 16).replace(/\D/g, '-')}.md`
  writeFileSync(join(folder, file), text)
  process.stderr.write(`Saved as bench/results/${file}\n`)
}

process.exitCode = 1
main().then(
  () => {
    process.exitCode = 0
  },
  (error: unknown) => {
    console.error(error)
  },
)
