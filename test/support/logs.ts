import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestDatabase } from './databases'

export type LogName = 'general log' | 'binary log' | 'statement log'

/** A server's log, read as bytes from the position that `logsFrom` noted. */
export interface ServerLog {
  readonly name: LogName
  read(): Promise<Buffer>
}

/**
 * The logs of the database's server, from now on. Other test files write to the same server: look for
 * something that only this test can have written.
 *
 * A server that the tests did not start themselves must name its log files in the environment.
 */
export function logsFrom(database: TestDatabase): ServerLog[] {
  if (database.standIn) return []
  if (database.name === 'mariadb') {
    return [
      serverLog(database, 'general log', () => [fromEnvironment('TEST_MYSQL_GENERAL_LOG')]),
      serverLog(database, 'binary log', () => binlogFiles(fromEnvironment('TEST_MYSQL_BINLOG_DIR'))),
    ]
  }
  if (database.name === 'postgres') {
    return [serverLog(database, 'statement log', () => [fromEnvironment('TEST_POSTGRES_LOG')])]
  }
  return []
}

function serverLog(database: TestDatabase, name: LogName, files: () => string[]): ServerLog {
  const start = new Map(files().map((file) => [file, size(file)]))
  return {
    name,
    async read() {
      await settle(database, name, files)
      return Buffer.concat(files().map((file) => readFrom(file, start.get(file) ?? 0)))
    },
  }
}

/** Logs are written behind the statements. A statement of our own that has arrived tells that all earlier ones have. */
async function settle(database: TestDatabase, name: LogName, files: () => string[]): Promise<void> {
  const start = new Map(files().map((file) => [file, size(file)]))
  const fence = `fence_${randomUUID().replaceAll('-', '')}`
  // The binary log holds changes only, so there the fence is a change that changes nothing else.
  await database.rawQuery(
    name === 'binary log' ? `DROP TABLE IF EXISTS ${fence}` : `SELECT '${fence}' AS fence`,
  )
  const deadline = Date.now() + 100_000
  for (;;) {
    if (files().some((file) => readFrom(file, start.get(file) ?? 0).includes(fence))) return
    if (Date.now() > deadline) throw new Error(`The ${name} of ${database.name} does not record statements`)
    await sleep(10)
  }
}

function fromEnvironment(variable: string): string {
  const path = process.env[variable]
  if (!path)
    throw new Error(`${variable} is not set: name the server's log there, or let the tests start one`)
  return path
}

function binlogFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^[^.]+\.\d{6,}$/.test(name))
    .sort()
    .map((name) => join(folder, name))
}

const size = (file: string) => (existsSync(file) ? statSync(file).size : 0)

function readFrom(file: string, position: number): Buffer {
  if (!existsSync(file)) return Buffer.alloc(0)
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - position))
    const count = readSync(descriptor, bytes, 0, bytes.length, position)
    return bytes.subarray(0, count)
  } finally {
    closeSync(descriptor)
  }
}
