import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, run } from './run'
import { type Tarball } from './tarball'

/** What a consumer has installed beside the package: by name, the folder in this project's `node_modules`. */
const PEERS: Readonly<Record<string, string>> = {
  '@aws-sdk/client-kms': '@aws-sdk/client-kms',
  '@jest/globals': '@jest/globals',
  '@types/node': '@types/node',

  'reflect-metadata': 'reflect-metadata',
  'sql.js': 'sql.js',
  typeorm: 'typeorm',
}

/**
 * A copy of one of the applications in `consumers/`, in a folder of its own far from this project, with the package
 * installed.
 *
 * npm itself installs the tarball, offline: the package's dependencies come from tarballs too, packed from this
 * project's `node_modules`. So what the package needs and does not declare is missing here as well. Its peers are
 * links to this project's, because they are large.
 */
export async function installConsumer(
  folder: string,
  source: string,
  tarballs: { project: Tarball; dependencies: Tarball[] },
  peers: Record<string, string> = {},
): Promise<string> {
  cpSync(join(__dirname, 'consumers', source), folder, { recursive: true })
  const manifest = join(folder, 'package.json')
  const { project, dependencies } = tarballs
  writeFileSync(
    manifest,
    JSON.stringify({
      ...(JSON.parse(readFileSync(manifest, 'utf8')) as object),
      dependencies: { [project.name]: `file:${project.file}` },
      overrides: Object.fromEntries(dependencies.map(({ name, file }) => [name, `file:${file}`])),
    }),
  )
  const options = ['--offline', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['install', ...options, '--cache', join(folder, '.npm-cache')], folder)
  for (const [name, target] of Object.entries({ ...PEERS, ...peers })) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', target), link, 'junction')
  }
  return folder
}
