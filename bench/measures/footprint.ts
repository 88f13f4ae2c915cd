import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Bench } from '../support/bench'
import { median, quantile } from '../support/statistics'

const ROOT = resolve(__dirname, '../..')
const PACKAGE = 'typeorm-kms-encrypted'
const STARTS = 15

/** Packs the package, installs it without its peers, and looks at its size and at how long it takes to load. */
export function footprint({ report }: Bench): void {
  const folder = mkdtempSync(join(tmpdir(), 'typeorm-kms-encrypted-bench-'))
  try {
    install(folder)
    const modules = join(folder, 'node_modules')
    const kilobytes = sizeOf(modules) / 1000
    const packages = readdirSync(modules)
      .flatMap((name) =>
        name.startsWith('@') ? readdirSync(join(modules, name)).map((each) => `${name}/${each}`) : name,
      )
      .filter((name) => !name.startsWith('.'))
    const parts = packages.map((name) => `${name} ${(sizeOf(join(modules, name)) / 1000).toFixed(0)}`)
    report.find({
      measure: 'installed size, without peers',
      measured: `${kilobytes.toFixed(0)} kB (${parts.join(', ')})`,
      target: '≤ 900 kB',
      met: kilobytes <= 900,
    })
    const times = Array.from({ length: STARTS }, () => importTime(folder))
    report.find({
      measure: 'import time beyond TypeORM and the SDK',
      measured: `${median(times).toFixed(1)} ms (${quantile(times, 0.25).toFixed(1)} – ${quantile(times, 0.75).toFixed(1)})`,
      target: '≤ 15 ms',
      met: median(times) <= 15,
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function install(folder: string): void {
  const run = (args: readonly string[], cwd: string): string =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const packed = run(['pack', '--json', '--pack-destination', folder], ROOT)
  const [{ filename }] = JSON.parse(packed.slice(packed.search(/^\[/m))) as [{ filename: string }]
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  run(['install', '--legacy-peer-deps', '--no-audit', '--no-fund', join(folder, filename)], folder)
}

/** Milliseconds that a fresh process takes for the package when it has its peers already, which are this project's. */
function importTime(folder: string): number {
  const script = `
    require('reflect-metadata')
    require('typeorm')
    require('@aws-sdk/client-kms')
    const start = performance.now()
    require('${PACKAGE}')
    console.log(performance.now() - start)`
  const output = execFileSync(process.execPath, ['-e', script], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_PATH: join(ROOT, 'node_modules') },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return Number(output)
}

function sizeOf(path: string): number {
  // A link to a program is not a second copy of it.
  const entry = lstatSync(path)
  if (!entry.isDirectory()) return entry.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}
