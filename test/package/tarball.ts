import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, run } from './run'

/** A package as `npm pack` made it. */
export interface Tarball {
  name: string
  file: string
  /** Paths inside the package. */
  files: string[]
}

interface Packed {
  name: string
  filename: string
  files: { path: string }[]
}

interface Manifest {
  dependencies?: Record<string, string>
}

/** Packs this project as `npm publish` would, building it first. */
export async function packProject(folder: string): Promise<Tarball> {
  const [tarball] = await pack([root], folder)
  return tarball!
}

/** Packs the dependencies that this project installs with it, and theirs, from `node_modules`. */
export function packDependencies(folder: string): Promise<Tarball[]> {
  const folders = [...dependencyFolders(root)]
  // Without a folder npm packs this project.
  return folders.length === 0 ? Promise.resolve([]) : pack(folders, folder, ['--ignore-scripts'])
}

async function pack(folders: string[], destination: string, options: string[] = []): Promise<Tarball[]> {
  const output = await run('npm', [
    'pack',
    '--json',
    '--pack-destination',
    destination,
    ...options,
    ...folders,
  ])
  // What the build prints comes first.
  const packed = JSON.parse(output.slice(output.search(/^\[/m))) as Packed[]
  return packed.map(({ name, filename, files }) => ({
    name,
    file: join(destination, filename),
    files: files.map(({ path }) => path),
  }))
}

function dependencyFolders(folder: string, found = new Set<string>()): Set<string> {
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  for (const name of Object.keys(dependencies)) {
    const dependency = findPackage(name, folder)
    if (found.has(dependency)) continue
    found.add(dependency)
    dependencyFolders(dependency, found)
  }
  return found
}

function findPackage(name: string, from: string): string {
  const folder = join(from, 'node_modules', name)
  if (existsSync(folder)) return folder
  if (dirname(from) === from) throw new Error(`${name} is not installed: run npm ci`)
  return findPackage(name, dirname(from))
}
