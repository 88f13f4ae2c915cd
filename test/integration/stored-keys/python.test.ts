import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { canRunPython } from '../../unit/cipher/python'
import { describeDatabases, type Row } from '../../support/databases'
import { startApplication } from '../../support/encryption'

jest.setTimeout(120_000)

@Entity()
class Patient {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @KmsEncrypted() name!: string
  @KmsEncrypted({ type: 'json', storage: 'text' }) record!: { codes: number[] }
  @KmsEncrypted({ keyPer: { tenant: 'tenant' }, boundTo: { row: ['id'] } }) iban!: string
  @KmsEncrypted({ context: { of: 'old values' } }) inline!: string
}

/** What docs/ciphertext-format.md gives in Python, with a dump instead of a database, and KMS by HTTP. */
const PROGRAM = `
import base64, json, sys, urllib.request
from decoder import Refused, decrypt, deserialise

dump = json.load(sys.stdin)
key_table = {bytes.fromhex(row["id"]): row for row in dump["kms_data_key"]}

def kms_decrypt(blob, encryption_context):
    body = json.dumps({"CiphertextBlob": base64.b64encode(blob).decode(), "EncryptionContext": encryption_context})
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "TrentService.Decrypt",
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20261125/us-east-1/kms/aws4_request",
    }
    request = urllib.request.Request(dump["kms"], body.encode(), headers)
    answer = json.load(urllib.request.urlopen(request))
    return base64.b64decode(answer["Plaintext"]), answer["KeyId"]

def find_root(data_key_id, encryption_context):
    row = key_table[data_key_id]
    if row["encrypted_data_key"] is None:
        raise Refused("forgotten")
    return kms_decrypt(bytes.fromhex(row["encrypted_data_key"]), encryption_context)[0]

def opened(stored, context, binding, value_type="string"):
    try:
        return deserialise(value_type, decrypt(stored, context, binding, kms_decrypt, find_root))
    except Refused as refused:
        return "refused: " + str(refused)

def patient(row):
    table, tenant = {"table": "patient"}, {"tenant": str(row["tenant"])}
    bound = {"column": "iban", "row.id": str(row["id"])}
    return {
        "name": opened(bytes.fromhex(row["name"]), table, {"column": "name"}),
        "record": opened(row["record"], table, {"column": "record"}, "json"),
        "iban": opened(bytes.fromhex(row["iban"]), {**table, **tenant}, bound),
        "of another row": opened(bytes.fromhex(row["iban"]), {**table, **tenant}, {**bound, "row.id": "7"}),
        "inline": opened(bytes.fromhex(row["inline"]), {"of": "old values"}, {"column": "inline"}),
    }

json.dump([patient(row) for row in dump["patient"]], sys.stdout)
`

const asText = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? value.toString('hex') : value,
    ]),
  )

const itWithPython = canRunPython() ? it : it.skip

describeDatabases('A program in Python that was written from the documents', (db) => {
  itWithPython('opens stored and inline values of a dump, and none that was forgotten or moved', async () => {
    const app = await startApplication(db(), [Patient], { dataKeys: { lease: 300 } })
    const patient = (id: number, tenant: number): Patient => ({
      id,
      tenant,
      name: `name ${id} 🔑`,
      record: { codes: [id, 2] },
      iban: `iban ${id}`,
      inline: `inline ${id}`,
    })
    const before = await app.restart({ dataKeys: 'inline' })
    await before.dataSource.getRepository(Patient).insert([patient(1, 42), patient(2, 43)])
    // All but one property are written again, under stored data keys.
    for (const { id, tenant, name, record, iban } of [patient(1, 42), patient(2, 43)])
      await app.dataSource.getRepository(Patient).update({ id, tenant }, { name, record, iban })
    await app.encryption.forget({ tenant: '43' }, { leaveInline: true })
    const server = await app.kms.listen()
    const folder = mkdtempSync(join(tmpdir(), 'dump-'))
    try {
      const document = readFileSync(join(__dirname, '../../../docs/ciphertext-format.md'), 'utf8')
      const decoder = /```python\n(.*?)```/s.exec(document)?.[1] ?? ''
      writeFileSync(join(folder, 'decoder.py'), decoder)
      writeFileSync(join(folder, 'program.py'), PROGRAM)
      const dump = {
        kms: server.url,
        patient: (await db().rawQuery('SELECT * FROM patient ORDER BY id')).map(asText),
        kms_data_key: (await db().rawQuery('SELECT * FROM kms_data_key')).map(asText),
      }
      const run = promisify(execFile)('python3', ['-B', join(folder, 'program.py')])
      run.child.stdin?.end(JSON.stringify(dump))
      const refused = 'refused: altered, or of another column'
      expect(JSON.parse((await run).stdout)).toEqual([
        {
          name: 'name 1 🔑',
          record: { codes: [1, 2] },
          iban: 'iban 1',
          'of another row': refused,
          inline: 'inline 1',
        },
        {
          name: 'name 2 🔑',
          record: { codes: [2, 2] },
          iban: 'refused: forgotten',
          'of another row': 'refused: forgotten',
          inline: 'inline 2',
        },
      ])
    } finally {
      rmSync(folder, { recursive: true })
      await server.close()
      await app.stop()
    }
  })
})
