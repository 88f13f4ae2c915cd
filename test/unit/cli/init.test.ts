import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { columnsIn } from '../../../src/cli/commands/init/columns'
import { tool } from './support'

const folder = mkdtempSync(join(tmpdir(), 'kms-init-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function project(name: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name, path)), { recursive: true })
    writeFileSync(join(folder, name, path), text)
  }
  return join(folder, name)
}

const USER = `
@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number
  @Column({ unique: true }) email!: string
  @Column('text', { nullable: true, name: 'pk' })
  privateKey!: string | null
  @Column() passwordHash!: string
  @Column() emailVerifiedAt!: Date
  @Column() isPhone!: boolean
  @Column('int') salary!: number
  @Column({ transformer: new EncryptionTransformer({ key: 'k' }) }) private readonly apiKey!: string
}
class Address {
  @Column({ select: false }) street?: string
  @Column() city!: string
}
`

describe('The columns that init proposes', () => {
  test('are those whose names sound like it, with their options', () => {
    const found = columnsIn({ path: 'src/user.ts', text: USER })
    expect(found.map(({ entity, property, after }) => [`${entity}.${property}`, after])).toEqual([
      ['User.email', "@KmsEncrypted({ type: 'string', search: true, unique: true }) email!: string"],
      [
        'User.privateKey',
        "@KmsEncrypted({ type: 'string', name: 'pk', nullable: true }) privateKey!: string | null",
      ],
      ['User.salary', "@KmsEncrypted({ type: 'number' }) salary!: number"],
      ['User.apiKey', "@KmsEncrypted({ type: 'string' }) private readonly apiKey!: string"],
      ['Address.street', "@KmsEncrypted({ type: 'string', nullable: true, select: false }) street?: string"],
    ])
    expect(found.map(({ line }) => line)).toEqual([5, 6, 11, 12, 15])
    expect(found.find(({ property }) => property === 'apiKey')?.remark).toMatch(/transformer/)
  })

  test.each([
    ['iban', true],
    ['phoneNumber', true],
    ['card_number', true],
    ['dateOfBirth', true],
    ['recoveryCodes', true],
    ['tokenCount', false],
    ['emailSentAt', false],
    ['accountId', false],
    ['cardType', false],
    ['name', false],
  ])('%s: %s', (property, isProposed) => {
    expect(columnsIn({ path: 'x.ts', text: `@Column() ${property}!: string\n` })).toHaveLength(
      isProposed ? 1 : 0,
    )
  })
})

test('init says what to paste where, and changes nothing', async () => {
  const path = project('plain', {
    'package.json': JSON.stringify({ dependencies: { typeorm: '^1.1.0', pg: '^8' } }),
    'src/user.ts': USER,
    'src/data-source.ts': 'export default new DataSource({ type: "postgres" })',
    'node_modules/other/index.ts': '@Column() secret!: string',
    'src/user.spec.ts': '@Column() secret!: string',
  })
  const before = readdirSync(path, { recursive: true })
  const { status, stdout } = await tool(['init', path])
  expect(status).toBe(0)
  for (const text of [
    'CommonJS',
    'postgres',
    'kmsEncryption({ keyId',
    'src/data-source.ts',
    'encryption.configure',
    'src/user.ts:6  User.privateKey',
    'migration:generate -d src/data-source.ts src/migrations/EncryptColumns',
    'keys policy',
    'doctor',
  ])
    expect(stdout).toContain(text)
  expect(stdout).not.toContain('secret!')
  expect(readdirSync(path, { recursive: true })).toEqual(before)
  const { stdout: json } = await tool(['init', path, '--json'])
  expect(JSON.parse(json)).toMatchObject({ project: { typeorm: '^1.1.0' }, columns: { length: 5 } })
})

test('init knows NestJS and ES modules, and writes one new file if told to', async () => {
  const path = project('nest', {
    'package.json': JSON.stringify({
      type: 'module',
      dependencies: { '@nestjs/core': '^11', mysql2: '^3', 'typeorm-kms-encrypted': '1' },
    }),
    'src/app.module.ts': 'TypeOrmModule.forRoot({})',
  })
  const { stdout } = await tool(['init', path, '--write', '--alias', 'alias/shop'])
  for (const text of [
    'NestJS',
    'KmsEncryptionModule.forRoot',
    './encryption.js',
    'src/app.module.ts',
    'keys create --alias alias/shop',
  ])
    expect(stdout).toContain(text)
  expect(stdout).not.toContain('npm install')
  expect(readFileSync(join(path, 'src/encryption.ts'), 'utf8')).toContain("'alias/shop'")
  const again = await tool(['init', path, '--write'])
  expect(again).toMatchObject({ status: 1 })
  expect(again.stderr).toContain('cannot be written')
})

test('init refuses a folder that is no project', async () => {
  const { status, stderr } = await tool(['init', join(folder, 'nothing')])
  expect(status).toBe(1)
  expect(stderr).toContain('package.json cannot be read')
})
