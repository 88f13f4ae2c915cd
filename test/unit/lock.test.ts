import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  workspaces: string[]
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  optional?: boolean
}

const root = join(__dirname, '../..')
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'))
const lock = read('package-lock.json') as { packages: Record<string, Manifest | undefined> }

// A lock that was made where a workspace is not there lacks it, and npm ci refuses it in a fresh clone.
test('package-lock.json is that of package.json and its workspaces', () => {
  const own = read('package.json') as Manifest
  for (const folder of ['', ...own.workspaces]) {
    const { dependencies, devDependencies, peerDependencies, optionalDependencies } = read(
      join(folder, 'package.json'),
    ) as Manifest
    const declared = { dependencies, devDependencies, peerDependencies, optionalDependencies }
    expect(lock.packages[folder]).toMatchObject(JSON.parse(JSON.stringify(declared)) as object)
    for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
      const places = [join(folder, 'node_modules', name), join('node_modules', name)]
      expect(places.some((place) => lock.packages[place] !== undefined)).toBe(true)
    }
  }
})

// Where there is no compiler, npm leaves it out and goes on.
test('what may have to be compiled is optional', () => {
  expect(lock.packages['node_modules/better-sqlite3']?.optional).toBe(true)
})
