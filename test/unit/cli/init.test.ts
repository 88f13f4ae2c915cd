import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { columnsIn } from '../../../src/cli/commands/init/columns'
import { kindOf } from '../../../src/cli/commands/init/kinds'
import { readProject } from '../../../src/cli/commands/init/project'
import { commandsFor, configuration } from '../../../src/cli/commands/init/texts'
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
    ['firstName', true],
    ['email_address', true],
    ['APIKey', true],
    ['public', false],
    ['mapPins', true],
    ['spin', false],
    ['passwordHash', false],
    ['tokenDigest', false],
  ])('%s: %s', (property, isProposed) => {
    expect(columnsIn({ path: 'x.ts', text: `@Column() ${property}!: string\n` })).toHaveLength(
      isProposed ? 1 : 0,
    )
  })
})

test('Columns are found as applications write them', () => {
  const text = `
import { Column } from 'typeorm'
// @Column() secret!: string
/* class Old { @Column() token!: string } */
@Entity('people')
export class Person {
  @ApiProperty({ example: "it's)" })
  @IsEmail()
  @Column({ length: 100 }) // of the person
  @Index()
  email: string
  @Column() mobile: boolean
  @Column('simple-json') recovery?: { codes: string[]; at: Date } | null = null
  @Column({ type: 'int' })
  public pin = 1234
  @PrimaryColumn() ssn!: string
  @Column() @Generated('uuid') apiKey!: string
  @Column()
  secret:
    | 'a'
    | 'b'
  @Column() iban: string }
`
  const found = columnsIn({ path: 'person.ts', text })
  expect(found.map(({ line, entity, property, after }) => [line, `${entity}.${property}`, after])).toEqual([
    [9, 'Person.email', "@KmsEncrypted({ type: 'string' }) // of the person @Index() email: string"],
    [
      13,
      'Person.recovery',
      "@KmsEncrypted({ type: 'json', nullable: true }) recovery?: { codes: string[]; at: Date } | null",
    ],
    [14, 'Person.pin', "@KmsEncrypted({ type: 'string' }) public pin"],
    [18, 'Person.secret', "@KmsEncrypted({ type: 'string' }) secret: 'a' | 'b'"],
    [22, 'Person.iban', "@KmsEncrypted({ type: 'string' }) iban: string"],
  ])
  expect(found[0]!.remark).toMatch(/its index finds nothing/)
})

const PEM = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----'

test.each([
  ['ada@example.org', 'e-mail addresses'],
  ['DE02 1203 0000 0000 2020 51', 'IBANs'],
  ['DE03120300000000202051', undefined],
  ['4111 1111 1111 1111', 'numbers of payment cards'],
  ['4111111111111112', undefined],
  ['+49 30 901820', 'phone numbers'],
  ['030 / 90182-0', 'phone numbers'],
  ['(555) 123-4567', 'phone numbers'],
  ['2024-02-29', undefined],
  ['01-02-2024', undefined],
  ['123456789', undefined],
  ['078-05-1120', 'social security numbers'],
  [PEM, 'private keys'],
  ['-----BEGIN PUBLIC KEY-----', undefined],
  ['otpauth://totp/x?secret=JBSWY3DPEHPK3PXP', 'secrets of one-time passwords'],
  [`AKIAIOSFODNN7EXAMPLE`, 'access tokens'],
  ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl', 'access tokens'],
  ['legal winner thank year wave sausage worth useful legal winner thank yellow', 'recovery phrases'],
  ['this is a sentence of words', undefined],
  ['192.168.10.1', 'IP addresses'],
  ['2001:db8::1', 'IP addresses'],
  ['12:30:45', undefined],
  ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'keys, tokens or digests'],
  ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'keys, tokens or digests'],
  ['00000000000000000000000000000000', undefined],
  ['6ba7b810-9dad-11d1-80b4-00c04fd430c8', undefined],
  ['$2b$12$eImiTXuWVxfM37uY4JANjQ==', undefined],
  ['a name', undefined],
  ['{"name":"Ada","contact":["ada@example.org"]}', 'JSON with e-mail addresses'],
  ['{"login":{"password":"x"}}', 'JSON with members called like secrets'],
  ['{"name":"Ada"}', undefined],
  ['{"cut off', undefined],
])('The value %j looks like %s', (value, kind) => {
  expect(kindOf(value)).toBe(kind)
})

test('A column is proposed for what its values look like, and a hash is not', () => {
  const text =
    'class User {\n@Column() contact!: string\n@Column() passwordHash!: string\n@Column() city!: string\n}'
  const sample = (property: string, name: string, values: number) => ({
    entity: 'Account',
    classes: ['Account', 'User'],
    property,
    isNullable: false,
    looked: 50,
    kinds: [{ name, values }],
  })
  const found = columnsIn({ path: 'user.ts', text }, [
    sample('contact', 'e-mail addresses', 48),
    sample('passwordHash', 'keys, tokens or digests', 50),
    sample('city', 'e-mail addresses', 9),
  ])
  expect(found.map(({ property, reasons }) => [property, reasons])).toEqual([
    ['contact', ['96 % of 50 values look like e-mail addresses']],
  ])
})

test('The code to paste imports from where it is, and the commands load what there is', async () => {
  const made = async (name: string, packages: Record<string, string>, dataSource: string, type?: string) =>
    readProject(
      project(name, {
        'package.json': JSON.stringify({ type, dependencies: packages }),
        'src/user.ts': USER,
        [dataSource]: "export default new DataSource({ type: 'mariadb' })",
      }),
    )
  const tsx = await made('tsx', { pg: '8', tsx: '4' }, 'src/database/data-source.ts', 'module')
  expect(configuration(tsx)[0]!.text).toContain("from '../encryption.js'")
  expect(configuration(tsx)[0]!.text).toContain("type: 'mariadb'")
  expect(commandsFor(tsx, 'alias/x')).toContain(
    'npx tsx node_modules/typeorm/cli.js migration:run -d src/database/data-source.ts',
  )
  const none = await made(
    'none',
    { 'typeorm-kms-encrypted': '1', '@aws-sdk/client-kms': '3' },
    'ormconfig.ts',
  )
  expect(configuration(none)[0]!.text).toContain("from './src/encryption'")
  expect(commandsFor(none, 'alias/x')).toEqual([
    'npm install --save-dev @swc-node/register @swc/core',
    expect.stringContaining('keys create'),
    expect.stringContaining('migration:generate -d ormconfig.ts'),
    'node -r @swc-node/register node_modules/typeorm/cli.js migration:run -d ormconfig.ts',
    expect.stringContaining('keys policy'),
    'npx typeorm-kms doctor -d ormconfig.ts',
  ])
  const nodes = await made('ts-node', { 'ts-node': '10' }, 'ormconfig.ts')
  expect(commandsFor(nodes, 'a').join('\n')).toContain('npx typeorm-ts-node-commonjs migration:run')
  const compiled = await readProject(project('sqljs', { 'package.json': '{"dependencies":{"sql.js":"1"}}' }))
  expect(compiled).toMatchObject({ database: 'sqljs', usesLibrary: false })
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
    'columns go by their names',
    '"kms:EncryptionContext:table": [',
    '"user"',
    'Tables are called as TypeORM calls them by default',
    'The table of Address is not among these',
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
    'ormconfig.ts, which the tools',
    'kmsEncryption(encryptionOptions).configure(',
    'keys create --alias alias/shop',
  ])
    expect(stdout).toContain(text)
  expect(stdout).toContain('npm install @aws-sdk/client-kms\n')
  expect(readFileSync(join(path, 'src/encryption.ts'), 'utf8')).toContain("'alias/shop'")
  const again = await tool(['init', path, '--write'])
  expect(again).toMatchObject({ status: 1 })
  expect(again.stderr).toContain('cannot be written')
})

test.each([
  [
    'export default new DataSource({})\nvoid dataSource.initialize()',
    [],
    'does more than to make a DataSource',
  ],
  ['const dataSource = new DataSource({})', [], 'exports no DataSource'],
  ['export default new DataSource({})', ['--offline'], 'you said --offline'],
  ['export class User {}', [], 'no file with a DataSource was found'],
])('init runs nothing of %j with %j: it %s', async (text, options, why) => {
  const path = project('not-run', { 'package.json': '{}', 'data-source.ts': text })
  const { status, stdout } = await tool(['init', path, ...options])
  expect(status).toBe(0)
  expect(stdout.replace(/\s+/g, ' ')).toContain(`none; columns go by their names (`)
  expect(stdout.replace(/\s+/g, ' ')).toContain(why)
})

test.each<[string, packageJson: object, files: Record<string, string>, remarks: RegExp[]]>([
  ['a project that has all', { dependencies: { typeorm: '1', mysql2: '3' } }, { 'src/user.ts': USER }, []],
  [
    'another ORM',
    { dependencies: { '@prisma/client': '5' } },
    {},
    [/^TypeORM is neither in package\.json nor/],
  ],
  ['a monorepo', { workspaces: ['packages/*'] }, {}, [/name the folder of the application/]],
  ['a monorepo of pnpm', {}, { 'pnpm-workspace.yaml': '' }, [/^this is a project of several/]],
  [
    'a database that is not supported',
    { dependencies: { typeorm: '1', mongodb: '6' } },
    { 'src/user.ts': USER },
    [/not on mongodb\. MongoDB has client-side field level encryption/],
  ],
  [
    'several DataSources',
    { dependencies: { typeorm: '1' } },
    {
      'a.mts': "export default new DataSource({ type: 'sqljs' })",
      'b.mts': "export default new DataSource({ type: 'sqljs' })",
    },
    [/^b\.mts makes a DataSource as well: .* -d b\.mts\.$/],
  ],
  ['JavaScript', { dependencies: { typeorm: '1' } }, { 'index.js': '' }, [/kmsEncryptedColumn\(\); -d FILE/]],
])('init says what to know of %s', async (name, packageJson, files, expected) => {
  const path = project(`remarks ${name}`, { 'package.json': JSON.stringify(packageJson), ...files })
  const { stdout } = await tool(['init', path, '--offline', '--json'])
  const { remarks } = JSON.parse(stdout) as { remarks: string[] }
  expect(remarks).toEqual(expected.map((each) => expect.stringMatching(each) as string))
})

test.each([
  ['nothing', undefined, /ENOENT/],
  ['half', '{"name":', /SyntaxError/],
  ['null', 'null', /TypeError/],
])('init refuses a folder that is no project: %s', async (name, text, why) => {
  const path = text === undefined ? join(folder, name) : project(name, { 'package.json': text })
  const { status, stderr } = await tool(['init', path])
  expect(status).toBe(1)
  expect(stderr).toMatch(/package\.json cannot be read \(/)
  expect(stderr).toMatch(why)
})
