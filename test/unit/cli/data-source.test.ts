import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Arguments } from '../../../src/cli/command'
import { withDataSource } from '../../../src/cli/data-source'

const folder = mkdtempSync(join(tmpdir(), 'kms-data-source-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** The file of a DataSource that cannot be closed, as after its connection is lost. */
const file = join(folder, 'lost.cjs')
writeFileSync(
  file,
  `exports.dataSource = {
    '@instanceof': Symbol.for('DataSource'),
    isInitialized: true,
    setOptions() {},
    async destroy() { throw new Error('not sent: the connection is closed') },
  }`,
)
const args: Arguments = { positionals: [], required: String, text: () => file, flag: () => false }

describe('A command whose DataSource cannot be closed', () => {
  it('fails with what failed first', async () => {
    const lost = new Error('connection lost')
    await expect(withDataSource(args, () => Promise.reject(lost))).rejects.toBe(lost)
  })

  it('fails with that where all else went well', async () => {
    await expect(withDataSource(args, () => Promise.resolve())).rejects.toThrow('not sent')
  })
})
