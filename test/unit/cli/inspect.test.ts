import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tool } from './support'

interface Vector {
  suite: number
  keyArn: string
  plaintext: string
  ciphertext: string
}
const { valid } = JSON.parse(readFileSync(join(__dirname, '../../vectors/v1.json'), 'utf8')) as {
  valid: Vector[]
}
const envelope = valid.find(({ suite, plaintext }) => suite === 1 && plaintext.length > 20)!
const direct = valid.find(({ suite }) => suite === 2)!
const bytes = Buffer.from(envelope.ciphertext, 'hex')

it.each([
  ['hexadecimal', envelope.ciphertext],
  ['hexadecimal as MySQL prints it', `0x${envelope.ciphertext.toUpperCase()}`],
  ['hexadecimal as PostgreSQL prints it', `\\x${envelope.ciphertext}`],
  ['base64', bytes.toString('base64')],
  ['base64 for URLs', bytes.toString('base64url')],
])('inspect reads %s', async (_, text) => {
  const { status, stdout } = await tool(['inspect', text])
  expect(status).toBe(0)
  expect(stdout).toMatch(/version +1\n +suite +1, envelope/)
  expect(stdout).toContain(`size                ${bytes.length} bytes`)
  expect(stdout).toContain(`value               ${envelope.plaintext.length / 2} bytes`)
})

it.each([
  ['bytes', bytes],
  ['text', `${bytes.toString('base64')}\n`],
])('inspect reads %s from stdin', async (_, stdin) => {
  const { stdout } = await tool(['inspect', '-', '--json'], { stdin })
  expect(JSON.parse(stdout)).toMatchObject({ version: 1, suite: 1, keyTag: envelope.ciphertext.slice(6, 14) })
})

it('inspect names the key among those that are given', async () => {
  const other = 'arn:aws:kms:us-east-1:111122223333:key/other'
  const { stdout, stderr } = await tool(['inspect', direct.ciphertext, '--key', `${other},${direct.keyArn}`])
  expect(stdout).toContain(direct.keyArn)
  expect(stderr).toBe('')
  expect((await tool(['inspect', direct.ciphertext, '--key', other])).stderr).toContain('None of the keys')
  expect((await tool(['inspect', direct.ciphertext, '--key', 'alias/x'])).status).toBe(2)
})

it('inspect knows a CiphertextBlob of KMS with no header', async () => {
  const { stdout } = await tool(['inspect', direct.ciphertext.slice(14)])
  expect(stdout).toMatch(/format +CiphertextBlob of KMS Encrypt/)
})

it('inspect never repeats what it was given', async () => {
  const secret = 'a plaintext that somebody pasted'
  const { status, stdout, stderr } = await tool(['inspect', Buffer.from(secret).toString('base64')])
  expect(status).toBe(1)
  expect(stdout + stderr).not.toContain('plaintext that somebody')
})
