import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Below node_modules: `npm ci`, which may bring other tools, empties it. */
export const cacheFolder = join(root, 'node_modules/.cache/check')
