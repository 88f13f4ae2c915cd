import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'

const VERSIONS_OF = [
  'typeorm',
  'better-sqlite3',
  'mysql2',
  '@aws-sdk/client-kms',
  'typeorm-encrypted',
  '@aws-crypto/client-node',
]

/** Date, machine and versions, as the head of a report. No host name and no path. */
export function describeMachine(command: string): string {
  const { version } = manifest('.')
  const [cpu] = cpus()
  const packages = VERSIONS_OF.map((name) => `${name} ${manifest(join('node_modules', name)).version}`)
  return [
    `# Benchmark of typeorm-kms-encrypted ${version}`,
    '',
    `- ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, \`${command}\``,
    `- ${cpu?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB; load average at the start ${loadavg()[0]!.toFixed(1)}`,
    `- Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${process.platform} ${process.arch}`,
    `- ${packages.join(', ')}`,
    '',
  ].join('\n')
}

function manifest(folder: string): { version: string } {
  return JSON.parse(readFileSync(join(__dirname, '../..', folder, 'package.json'), 'utf8')) as {
    version: string
  }
}
