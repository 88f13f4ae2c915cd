import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { document, root } from '../unit/docs/documents'

/** What the configuration is for: the types of decorators are there in a test that loads nothing for them. */
const TEST = `
test('types of decorators are known, and modules stay', () => {
  expect(typeof Reflect.getMetadata).toBe('function')
  globalThis.first = require('reflect-metadata')
})
test('in the next test as well', () => expect(require('reflect-metadata')).toBe(globalThis.first))
`

test('Jest takes the configuration of docs/recipes/jest.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jest-'))
  try {
    const config = /```js\n\/\/ jest\.config\.js\n(.*?)```/s.exec(document('docs/recipes/jest.md'))?.[1]
    writeFileSync(join(folder, 'jest.config.js'), config!)
    writeFileSync(join(folder, 'reflect.test.js'), TEST)
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/jest/bin/jest.js'), '--runInBand'],
      { cwd: folder, encoding: 'utf8' },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('2 passed') as string })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
