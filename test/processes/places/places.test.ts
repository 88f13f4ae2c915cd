/** A look at the databases in WebAssembly. `npm run test:places` runs all integration tests on them. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LOADER } from '../../support/loader'

const run = promisify(execFile)

const all = [
  ['sqljs', 'none'],
  // On PGlite nobody can tell which transaction a statement of the application begins.
  ['pglite', 'INVALID_OPTION'],
] as const
const selected = process.env['TEST_DATABASES'] ?? 'sqljs'
const places = all.filter(([place]) => selected.includes(place))
if (places.length < all.length)
  process.stdout.write(`PGlite takes seconds to start: npm run test:places has it. Here: ${selected}.\n`)
const some = places.length > 0 ? test.each(places) : test.skip.each(all)

some('%s stores, finds, binds and converts values under stored data keys', async (place, inTransaction) => {
  const { stdout } = await run(process.execPath, [...LOADER, join(__dirname, 'program.ts'), place])
  const emails = ['a@x', 'b@x', 'c@x']
  expect(JSON.parse(stdout)).toEqual({
    inTransactionOfItsOwn: inTransaction,
    begins: ['c10104', 'c10104', 'c10104'],
    // One for each table.
    dataKeys: 2,
    letters: ['kept'],
    found: expect.objectContaining({ email: 'b@x', text: 'text of b@x' }),
    all: emails.map((email) => [email, `text of ${email}`, 'plain']),
    encrypted: 3,
    plaintext: 0,
    failed: [0, 0, 0],
    withoutKeyTable: 'KEY_TABLE_MISSING',
  })
})
