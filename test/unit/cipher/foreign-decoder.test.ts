import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cipher } from '../../../src/cipher/cipher'
import { type EncryptionContext } from '../../../src/cipher/context'
import { Scope } from '../../../src/cipher/scope'
import { MemoryKms } from './memory-kms'
import { canRunPython } from './python'
import {
  blindIndexes,
  type BlindIndexVector,
  invalid,
  type InvalidVector,
  type StoredKeyFacts,
  storedKeys,
  valid,
  type Vector,
} from './vectors'

/** The decoder in docs/ciphertext-format.md, for readers of other languages, is run as it stands there. */
const DOCUMENT = join(__dirname, '../../../docs/ciphertext-format.md')

const HARNESS = `
import json, sys
from decoder import Refused, blind_index, decrypt, deserialise

def answer(case):
    if "index" in case:
        several = [bytes.fromhex(each) for each in case.get("values", [])]
        value, bits = several or bytes.fromhex(case["normalized"]), case.get("bits", 128)
        place = [case["table"], case["column"], case["index"], case["keyPer"]]
        return blind_index(bytes.fromhex(case["root"]), *place, value, bits).hex()

    def kms_decrypt(blob, encryption_context):
        for known in case["kms"]:
            if known["blob"] == blob.hex() and known["context"] == encryption_context:
                return bytes.fromhex(known["plaintext"]), known["keyArn"]
        raise Refused("KMS refuses")

    def find_root(data_key_id, encryption_context):
        if encryption_context != case["root"]["context"]:
            raise Refused("KMS refuses")
        return bytes.fromhex(case["root"]["bytes"])

    stored = case["stored"] if case["text"] else bytes.fromhex(case["stored"])
    try:
        roots = [find_root] if "root" in case else []
        plaintext = decrypt(stored, case["context"], case["binding"], kms_decrypt, *roots)
    except Refused:
        return {"refused": True}
    return {"plaintext": plaintext.hex(), "value": repr(deserialise(case["type"], plaintext))}

json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
`

interface Case {
  stored: string
  text: boolean
  type: string
  context: EncryptionContext
  binding: EncryptionContext
  /** What KMS opens. */
  kms: { blob: string; context: EncryptionContext; plaintext: string; keyArn: string }[]
  /** What stands in the key table, and the context under which KMS opens it. */
  root?: { bytes: string; context: EncryptionContext }
}

type Answer = { refused: true } | { plaintext: string; value: string }

const describeWithPython = canRunPython() ? describe : describe.skip

describeWithPython('The decoder in the documentation', () => {
  let folder: string

  beforeAll(() => {
    const code = /```python\n(.*?)```/s.exec(readFileSync(DOCUMENT, 'utf8'))?.[1]
    folder = mkdtempSync(join(tmpdir(), 'decoder-'))
    writeFileSync(join(folder, 'decoder.py'), code!)
    writeFileSync(join(folder, 'harness.py'), HARNESS)
  })

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  function run(cases: readonly (Case | BlindIndexVector)[]): Answer[] {
    const output = execFileSync('python3', ['-B', join(folder, 'harness.py')], {
      input: JSON.stringify(cases),
      maxBuffer: 2 ** 26,
    })
    return JSON.parse(output.toString()) as Answer[]
  }

  function caseOf(vector: Vector | InvalidVector, type = 'buffer'): Case {
    const { context, binding, openedByKeyArn: keyArn } = vector
    const opened =
      vector.suite === 1
        ? { blob: vector.encryptedDataKey, context, plaintext: vector.dataKey, keyArn }
        : {
            blob: vector.ciphertextBlob,
            context: vector.encryptionContext,
            plaintext: vector.kmsPlaintext,
            keyArn,
          }
    return { stored: vector.ciphertext, text: false, type, context, binding, kms: [opened] }
  }

  test('opens every known answer', () => {
    const answers = run(valid.map((vector) => caseOf(vector, vector.type)))
    expect(answers.map((answer) => ('plaintext' in answer ? answer.plaintext : 'refused'))).toEqual(
      valid.map(({ plaintext }) => plaintext),
    )
  })

  test('makes the value of each type of its bytes', () => {
    const shown = new Map(
      run(valid.map((vector) => caseOf(vector, vector.type))).map((answer, index) => [
        valid[index]!.name,
        'value' in answer ? answer.value : 'refused',
      ]),
    )
    expect(shown.get('envelope: a string of one byte')).toBe("'A'")
    expect(shown.get('envelope: a buffer that begins like a ciphertext')).toBe("b'\\xc1\\x01\\x01'")
    expect(shown.get('envelope: a JSON object')).toBe(
      "{'b': [1, 2.5, -3], 'a': {'nested': None, 'yes': True}}",
    )
    expect(shown.get('envelope: a JSON string with a lone surrogate')).toBe("'\\ud800'")
    expect(shown.get('envelope: the number -0')).toBe('-0.0')
    expect(shown.get('envelope: the smallest subnormal number')).toBe('5e-324')
    expect(shown.get('envelope: NaN')).toBe('nan')
    expect(shown.get('envelope: -Infinity')).toBe('-inf')
    expect(shown.get('envelope: a bigint of 2^64')).toBe('18446744073709551616')
    expect(shown.get('direct: false')).toBe('False')
    expect(shown.get('direct: a date')).toBe("'2024-02-29T12:34:56.789Z'")
  })

  test('refuses every invalid ciphertext of the vectors', () => {
    expect(run(invalid.map((vector) => caseOf(vector)))).toEqual(invalid.map(() => ({ refused: true })))
  })

  const caseOfStored = (
    { ciphertext, context, binding, root, rootContext }: StoredKeyFacts,
    type: string,
  ) => ({
    stored: ciphertext,
    text: false,
    type,
    context,
    binding,
    kms: [],
    root: { bytes: root, context: rootContext },
  })

  test('opens every known answer under a stored data key', () => {
    const answers = run(storedKeys.valid.map((vector) => caseOfStored(vector, vector.type)))
    expect(answers.map((answer) => ('plaintext' in answer ? answer.plaintext : 'refused'))).toEqual(
      storedKeys.valid.map(({ plaintext }) => plaintext),
    )
  })

  test('refuses what another root would open, and every other invalid one', () => {
    const answers = run(storedKeys.invalid.map((vector) => caseOfStored(vector, 'buffer')))
    expect(answers).toEqual(storedKeys.invalid.map(() => ({ refused: true })))
  })

  test('computes every blind index', () => {
    expect(run(blindIndexes)).toEqual(blindIndexes.map(({ value }) => value))
  })

  test('opens what the library encrypts, as bytes and as base64', async () => {
    const kms = new MemoryKms()
    const cipher = new Cipher(kms, { maxAge: 60_000, maxValues: 3, maxKeys: 10 })
    const context = { table: 'straße', tenant: '日本', '\u{1f511}': '1', '\ufb00': '2' }
    const binding = { column: 'schlüssel' }
    const scope = new Scope(context, binding)
    const plaintexts = [0, 1, 2, 15, 16, 17, 128, 4096].map((length) => Buffer.alloc(length, 'ä1'))
    const cases: Case[] = []
    for (const plaintext of plaintexts) {
      for (const mode of ['envelope', 'direct'] as const) {
        const stored = await cipher.encrypt(plaintext, { mode, keyId: kms.keyArn, scope })
        const opened = kms.blobs.map(({ blob, context, plaintext, keyArn }) => ({
          blob: blob.toString('hex'),
          context,
          plaintext: plaintext.toString('hex'),
          keyArn,
        }))
        const facts = { type: 'buffer', context, binding, kms: opened }
        cases.push({ stored: stored.toString('hex'), text: false, ...facts })
        cases.push({ stored: stored.toString('base64'), text: true, ...facts })
      }
    }
    cipher.close()
    expect(run(cases).map((answer) => ('plaintext' in answer ? answer.plaintext : 'refused'))).toEqual(
      plaintexts.flatMap((plaintext) => Array<string>(4).fill(plaintext.toString('hex'))),
    )
  })
})

describe('The documentation of the format', () => {
  const text = readFileSync(DOCUMENT, 'utf8')

  test('works out the AAD as the library does', () => {
    const { aad } = new Scope({ table: 'user' }, { column: 'privateKey' })
    expect(text).toContain(`\n${aad.toString('hex')}\n`)
    const byBytes = /```text\n(c1 01 01 .*?)```/s.exec(text)?.[1] ?? ''
    const bytes = byBytes.split('\n').map((line) => line.slice(0, 44).replaceAll(' ', ''))
    expect(bytes.join('')).toBe(aad.toString('hex'))
  })
})
