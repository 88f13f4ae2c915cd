import 'reflect-metadata'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { createSqliteDatabase } from '../support/databases/sqlite'
import { startApplication } from '../support/encryption'
import { canRunPython } from '../unit/cipher/python'
import { document } from '../unit/docs/documents'

const text = document('docs/ciphertext-format.md')
const decoder = /```python\n(.*?)```/s.exec(text)?.[1] ?? ''
const [opensInline = '', opensStored = ''] = Array.from(
  text.matchAll(/```py\n(.*?)```/gs),
  ([, code = '']) => code,
)

/** The examples as they stand, with the rows that they leave to their reader. */
const PROGRAM = `
import json, sys
from decoder import *

dump = json.load(sys.stdin)
rows = [{"privateKey": bytes.fromhex(stored)} for stored in dump["values"]]
key_table = {bytes.fromhex(key): {"encrypted_data_key": bytes.fromhex(blob)} for key, blob in dump["keys"]}
row = rows[0]
${opensInline}
row = rows[1]
${opensStored}
json.dump([private_key, deserialise("string", plaintext)], sys.stdout)
`

@Entity()
class User {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() privateKey!: string
}

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'python-'))
  writeFileSync(join(folder, 'decoder.py'), decoder)
  writeFileSync(join(folder, 'program.py'), PROGRAM)
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** True if the modules can be loaded; says why a test is left out if they cannot. */
function hasPython(what: string, ...args: string[]): boolean {
  const { status, error, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  if (status === 0) return true
  const why = error ? error.message : (stderr.trim().split('\n').at(-1) ?? '')
  process.stderr.write(`Left out: ${what} (${why}).\n`)
  return false
}

const testWithPython = hasPython('the syntax of the examples in Python', '--version') ? test : test.skip
const testWithBoto =
  canRunPython() && hasPython('the examples in Python, which need boto3', '-c', 'import boto3')
    ? test
    : test.skip

testWithPython('the examples in Python can be compiled', () => {
  expect([decoder, opensInline, opensStored]).not.toContain('')
  const compiled = spawnSync(
    'python3',
    ['-m', 'py_compile', join(folder, 'decoder.py'), join(folder, 'program.py')],
    { encoding: 'utf8' },
  )
  expect(compiled).toMatchObject({ status: 0, stderr: '' })
})

testWithBoto('the examples in Python open what the library stores, with boto3', async () => {
  const database = await createSqliteDatabase()
  const app = await startApplication(database, [User], { dataKeys: 'stored' })
  const inline = await app.restart({ dataKeys: 'inline' })
  const server = await app.kms.listen()
  try {
    await inline.dataSource.getRepository(User).insert({ id: 1, privateKey: 'inline 🔑' })
    await app.dataSource.getRepository(User).insert({ id: 2, privateKey: 'stored 🔑' })
    const hex = (bytes: unknown) => (bytes as Buffer).toString('hex')
    const values = await database.rawQuery('SELECT * FROM user ORDER BY id')
    const keys = await database.rawQuery('SELECT * FROM kms_data_key')
    const run = promisify(execFile)('python3', ['-B', join(folder, 'program.py')], {
      env: {
        ...process.env,
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
      },
    })
    run.child.stdin?.end(
      JSON.stringify({
        values: values.map(({ privateKey }) => hex(privateKey)),
        keys: keys.map(({ id, encrypted_data_key: blob }) => [hex(id), hex(blob)]),
      }),
    )
    expect(JSON.parse((await run).stdout)).toEqual(['inline 🔑', 'stored 🔑'])
  } finally {
    await server.close()
    await app.stop()
    await database.drop()
  }
})
