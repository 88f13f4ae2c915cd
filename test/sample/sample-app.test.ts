/**
 * Runs the sample app as its reader does, as a process of its own with the installed TypeORM. So this is no
 * integration test, which would run once for each major of TypeORM with the same result.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateKeyCommand, DescribeKeyCommand, DisableKeyCommand } from '@aws-sdk/client-kms'
import { LocalKms, type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { describeDatabases } from '../support/databases'
import { freePort } from '../support/servers/process'
import { environmentOf, runSample } from './run-sample'

/** An Ed25519 key in PEM: its frame, and the base64 with which every such key begins. */
const PRIVATE_KEY = /PRIVATE KEY-|MC4CAQAwBQYDK2VwBCIEI/

const story = [
  '1. A KMS key is created, and found among those listed',
  '✓ It is among the keys that KMS lists',
  '2. Users register',
  '3. What the application sees, and what the row holds',
  '✓ It begins with C1 01 01.',
  '4. Ada signs a challenge',
  "✓ Ada's public key verifies the signature.",
  '5. Emmy gets a new key pair',
  '✓ One UPDATE was sent, for her row.',
  '✓ Saved unchanged, she causes no UPDATE.',
  '6. Direct mode',
  '✓ KMS decrypts the blob without the library, too.',
  '✓ 4097 bytes are refused: VALUE_TOO_LARGE.',
  '7. A thousand users more',
  '✓ That took one call to KMS: Decrypt, of the data key.',
  '8. The KMS key is disabled, and enabled again',
  '✓ A process that starts now cannot read private keys: KMS_KEY_DISABLED.',
  '✓ With the key enabled again, the new process reads as well',
  '9. The deletion of the KMS key is scheduled, and cancelled',
  '✓ The key cannot be used meanwhile: KMS_KEY_PENDING_DELETION.',
  '10. Data keys in a table: a rotation that writes no row, and a user who is forgotten',
  '✓ The rotation to another KMS key is one call for each data key.',
  '✓ No value was written.',
  '✓ Nobody reads her pages any more: FORGOTTEN.',
  '11. What KMS was asked, and what that costs',
  'The end.',
]

describeDatabases('The sample app with the embedded KMS', (db) => {
  test('tells its whole story, twice in a row, and leaves other tables alone', async () => {
    const environment = environmentOf(db())
    await db().rawQuery('CREATE TABLE bystander (id int)')
    await db().rawQuery('INSERT INTO bystander VALUES (7)')

    for (const run of [await runSample(environment), await runSample(environment)]) {
      expect(run).toMatchObject({ status: 0, stderr: '' })
      expect(linesIn(run.stdout, story)).toEqual(story)
      expect(run.stdout).not.toMatch(PRIVATE_KEY)
      expect(run.stdout).not.toContain('\x1b')
      expect(longest(run.stdout.split('\n').filter((line) => !line.includes('sample.sqlite')))).toBeLessThan(
        101,
      )
    }
    if (db().name === 'sqlite') return
    expect(await db().rawQuery('SELECT id FROM bystander')).toEqual([{ id: 7 }])
    await expect(db().rawQuery('SELECT id FROM typeorm_kms_sample_user')).rejects.toThrow()
    await expect(db().rawQuery('SELECT id FROM typeorm_kms_sample_api_secret')).rejects.toThrow()
  })
})

describe('The sample app with a key that exists', () => {
  const folder = mkdtempSync(join(tmpdir(), 'typeorm-kms-encrypted-sample-'))
  let kms: LocalKms
  let server: LocalKmsServer
  let environment: Record<string, string>
  let keyId: string

  const stateOf = async (id: string) =>
    (await kms.client().send(new DescribeKeyCommand({ KeyId: id }))).KeyMetadata?.KeyState

  beforeEach(async () => {
    kms = new LocalKms()
    server = await kms.listen()
    keyId = (await kms.client().send(new CreateKeyCommand({}))).KeyMetadata!.KeyId!
    environment = { SAMPLE_FOLDER: folder, KMS_KEY_ID: keyId, AWS_ENDPOINT_URL_KMS: server.url }
  })

  afterEach(() => server.close())

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test('tells the whole story on a KMS of this machine, and leaves the key as it was', async () => {
    const run = await runSample(environment)

    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(linesIn(run.stdout, story)).toEqual(story.slice(1))
    expect(run.stdout).toContain('1. The KMS key is found')
    expect(run.stdout).not.toContain('Left out')
    expect(await stateOf(keyId)).toBe('Enabled')
    expect(kms.calls.count('CreateKey')).toBe(1) // the test's own
  })

  test('neither disables nor deletes the key of a KMS that may be anywhere, and says so', async () => {
    const configFile = join(folder, 'aws-config')
    writeFileSync(
      configFile,
      `[default]\nservices = here\n[services here]\nkms =\n  endpoint_url = ${server.url}\n`,
    )
    const run = await runSample({ ...environment, AWS_ENDPOINT_URL_KMS: '', AWS_CONFIG_FILE: configFile })

    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(run.stdout).toContain('Left out: disabling the key. It is yours')
    expect(run.stdout).toContain('Left out: scheduling the deletion of the key. It is yours')
    expect(run.stdout).toContain('Left out, for the reasons given: 2 of its parts.')
    const operations = new Set(kms.calls.map(({ operation }) => operation))
    expect([...operations].sort()).toEqual([
      ...['CreateKey', 'Decrypt', 'DescribeKey', 'Encrypt', 'GenerateDataKey', 'ListKeys', 'ReEncrypt'],
    ])
  })

  test('ends with status 1 where a step fails, and says which and why', async () => {
    kms.misbehave({ deny: 'Encrypt' })
    const run = await runSample(environment)

    expect(run.status).toBe(1)
    expect(run.stderr).toContain('KMS_ACCESS_DENIED')
    expect(run.stderr).toContain('Allow kms:Encrypt')
    expect(run.stdout).toContain('6. Direct mode')
    expect(run.stdout).not.toContain('7. A thousand')
    expect(run.stdout + run.stderr).not.toMatch(PRIVATE_KEY)
  })

  test('ends with status 1 where a claim does not hold, and says what was expected and found', async () => {
    await kms.client().send(new DisableKeyCommand({ KeyId: keyId }))
    const run = await runSample(environment)

    expect(run.status).toBe(1)
    expect(run.stderr).toContain('✗ This does not hold:\n     It is enabled')
    expect(run.stderr).toContain("expected: [ 'Enabled'")
    expect(run.stderr).toContain("found:    [ 'Disabled'")
  })

  test('enables the key again where a step fails while it is disabled', async () => {
    kms.misbehave({
      fail: (operation) =>
        operation === 'Decrypt' && kms.calls.count('DisableKey') > 0 ? 'AccessDeniedException' : undefined,
    })
    const run = await runSample(environment)

    expect(run.status).toBe(1)
    expect(run.stderr).toContain('✗ This does not hold:\n     A process that starts now cannot read')
    expect(run.stdout).not.toContain('9. The deletion')
    expect(await stateOf(keyId)).toBe('Enabled')
  })

  test('ends with status 1 where there is no KMS', async () => {
    const run = await runSample({
      ...environment,
      AWS_ENDPOINT_URL_KMS: `http://127.0.0.1:${await freePort()}`,
    })

    expect(run.status).toBe(1)
    expect(run.stderr).toContain('ECONNREFUSED')
    expect(run.stdout).not.toContain('2. Users')
  })
})

describe('The narration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'typeorm-kms-encrypted-sample-'))
  const environment = { SAMPLE_FOLDER: folder }

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test('is in colour where that is asked for, and on sql.js where nothing can be compiled', async () => {
    const without = join(folder, 'without-better-sqlite3.cjs')
    writeFileSync(
      without,
      `const Module = require('node:module')
const load = Module._load
Module._load = (name, ...others) => {
  if (name === 'better-sqlite3') throw new Error('not compiled')
  return load(name, ...others)
}`,
    )
    const NODE_OPTIONS = `--require ${without}`
    const { status, stdout, stderr } = await runSample({ ...environment, FORCE_COLOR: '1', NODE_OPTIONS })

    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('\x1b[32m✓\x1b[39m It begins with C1 01 01.')
    expect(stdout).toMatch(/database.*SQLite by sql\.js \(better-sqlite3 cannot be loaded\)/)
    expect(linesIn(stdout, ['11. What KMS', 'The end.'])).toHaveLength(2)
    expect(readFileSync(join(folder, 'sample.sqlite'), 'latin1')).toMatch(/^SQLite format 3/)
    expect(readFileSync(join(folder, 'sample.sqlite'), 'latin1')).not.toMatch(PRIVATE_KEY)
  })

  test('says what is wrong with a DATABASE_URL', async () => {
    const { status, stderr } = await runSample({ ...environment, DATABASE_URL: 'oracle://example.org/x' })

    expect(status).toBe(1)
    expect(stderr).toContain(
      '✗ The story ends early:\n     Error: DATABASE_URL must begin with mysql://, mariadb:// or postgres://',
    )
  })
})

function longest(lines: readonly string[]): number {
  return Math.max(...lines.map(({ length }) => length))
}

/** Those of the lines that are in the text, in the order in which they are there. */
function linesIn(text: string, lines: readonly string[]): string[] {
  return lines
    .filter((line) => text.includes(line))
    .sort((left, right) => text.indexOf(left) - text.indexOf(right))
}
