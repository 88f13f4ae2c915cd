import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  workspaces: string[]
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

const root = join(__dirname, '../..')
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'))
const lock = read('package-lock.json') as { packages: Record<string, Manifest | undefined> }

// A lock that was made where a workspace is not there lacks it, and npm ci refuses it in a fresh clone.
test('package-lock.json is that of package.json and its workspaces', () => {
  const own = read('package.json') as Manifest
  for (const folder of ['', ...own.workspaces]) {
    const { dependencies, devDependencies, peerDependencies } = read(join(folder, 'package.json')) as Manifest
    expect(lock.packages[folder]).toMatchObject(
      JSON.parse(JSON.stringify({ dependencies, devDependencies, peerDependencies })) as object,
    )
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      const places = [join(folder, 'node_modules', name), join('node_modules', name)]
      expect(places.some((place) => lock.packages[place] !== undefined)).toBe(true)
    }
  }
})
