import { existsSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const GIGABYTE = 2 ** 30

/**
 * Where databases that live for a few minutes are kept: in memory, where Linux has room for them, because each CREATE
 * TABLE of MariaDB and each statement of SQLite waits for the disk otherwise. `TEST_FOLDER` names another place.
 */
export function fastFolder(): string {
  const shared = '/dev/shm'
  const named = process.env['TEST_FOLDER']
  if (named) return named
  if (!existsSync(shared)) return tmpdir()
  const { bavail, bsize } = statfsSync(shared)
  return bavail * bsize >= 3 * GIGABYTE && process.availableMemory() >= 5 * GIGABYTE ? shared : tmpdir()
}
