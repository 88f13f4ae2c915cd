import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOADER } from '../support/loader'
import { document, root } from '../unit/docs/documents'

jest.setTimeout(120_000)

/** The page from an empty folder to a row is played as it stands: files from its blocks, named before them. */
test('docs/start/node.md runs as it stands', () => {
  const folder = mkdtempSync(join(root, 'node_modules/.cache-start-'))
  try {
    const files = document('docs/start/node.md').matchAll(/^`([\w-]+\.ts)`[^\n]*\n+```ts\n([\s\S]*?)^```$/gm)
    for (const [, name = '', code = ''] of files) writeFileSync(join(folder, name), code)
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [...LOADER, ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    const printed = run('main.ts')
    expect(printed).toMatch(/^a private key\n/)
    expect(printed).toContain('C10101')
    const tool = join(root, 'src/cli/main.ts')
    expect(run(tool, 'doctor', '-d', 'data-source.ts')).toContain('All is well')
    expect(run(tool, 'status', '-d', 'data-source.ts')).toMatch(/User\.privateKey +1 +0 +0 +1/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
