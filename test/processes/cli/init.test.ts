import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataSource, EntitySchema } from 'typeorm'
import { LOADER } from '../../support/loader'

const root = join(__dirname, '..', '..', '..')
const MAIL = 'ada@example.org'

const USER = `import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number
  @Column('varchar') handle!: string
  @Column('varchar') city!: string
}
`
const DATA_SOURCE = `import 'reflect-metadata'
import { DataSource } from 'typeorm'
import { User } from './user'
export default new DataSource({ type: 'better-sqlite3', database: 'app.sqlite', entities: [User], synchronize: true })
`

describe('init, in a project', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'init-'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const put = (name: string, text: string) => {
      writeFileSync(join(folder, name), text)
    }
    put('package.json', '{ "dependencies": { "typeorm": "^1.1.1", "better-sqlite3": "*" } }')
    put(
      'tsconfig.json',
      '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }',
    )
    put('user.ts', USER)
    put('data-source.ts', DATA_SOURCE)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  function init(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const command = [...LOADER, join(root, 'src/cli/main.ts'), 'init', ...args]
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        command,
        { cwd: folder, env: { PATH: process.env['PATH'], HOME: process.env['HOME'] } },
        (_, stdout, stderr) => {
          resolve({ status: child.exitCode ?? -1, stdout, stderr })
        },
      )
    })
  }

  const contents = () =>
    readdirSync(folder)
      .filter((name) => name !== 'node_modules')
      .map((name) => [name, readFileSync(join(folder, name), 'base64')])

  it('makes no database where none is', async () => {
    const { status, stdout } = await init()
    expect({ status, text: stdout.replace(/\s+/g, ' ') }).toEqual({
      status: 0,
      text: expect.stringContaining('columns go by their names (there is no database app.sqlite yet)'),
    })
    expect(existsSync(join(folder, 'app.sqlite'))).toBe(false)
  })

  it('says what values look like, shows none, and changes no file', async () => {
    const schema = new EntitySchema({
      name: 'user',
      columns: {
        id: { type: Number, primary: true, generated: true },
        handle: { type: String },
        city: { type: String },
      },
    })
    const database = join(folder, 'app.sqlite')
    const dataSource = await new DataSource({
      type: 'better-sqlite3',
      database,
      entities: [schema],
      synchronize: true,
    }).initialize()
    await dataSource.getRepository('user').insert({ handle: MAIL, city: 'London' })
    await dataSource.destroy()
    // What is named is run, whatever it does.
    writeFileSync(join(folder, 'data-source.ts'), `${DATA_SOURCE}// dataSource.initialize()\n`)
    const before = contents()
    const { status, stdout, stderr } = await init('-d', 'data-source.ts')
    expect(status).toBe(0)
    expect(stdout).toContain('user.ts:5  User.handle: 100 % of 1 value look like e-mail addresses')
    expect(stdout).toContain('looked at 2 values of 2 text columns')
    expect(stdout).not.toContain('User.city')
    expect(stdout + stderr).not.toMatch(new RegExp(`${MAIL}|London`))
    expect(stdout).not.toContain('Check (typeorm-kms doctor)')
    expect(contents()).toEqual(before)
  })

  it('has doctor look where the library is in use', async () => {
    const LIBRARY = `import { KmsEncrypted, kmsEncryption } from '${join(root, 'src/index')}' // 'typeorm-kms-encrypted'\n`
    writeFileSync(
      join(folder, 'data-source.ts'),
      `${LIBRARY}${DATA_SOURCE.replace('new DataSource({', `new DataSource(kmsEncryption({ keyId: 'alias/x', client: { send: () => Promise.reject(new Error('no KMS')) } as never }).configure({`).replace('true })', 'true }))')}`,
    )
    writeFileSync(
      join(folder, 'user.ts'),
      `${LIBRARY}${USER.replace("@Column('varchar') handle", "@KmsEncrypted({ type: 'string' }) handle")}`,
    )
    const { status, stdout, stderr } = await init('--json')
    const { findings, policy } = JSON.parse(stdout) as {
      findings: { message: string }[]
      policy: { statements: { Condition: unknown }[] }
    }
    expect(findings.map(({ message }) => message).join('\n')).toContain(
      'User.handle: encrypted, in user.handle',
    )
    expect(policy.statements).toMatchObject([
      { Condition: { StringEquals: { 'kms:EncryptionContext:table': ['user'] } } },
    ])
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/problems? found/) })
    // What is pasted wrongly is found, too.
    writeFileSync(
      join(folder, 'user.ts'),
      readFileSync(join(folder, 'user.ts'), 'utf8').replace("type: 'string'", "type: 'text'"),
    )
    const broken = await init()
    expect(broken.status).toBe(1)
    expect(broken.stdout.replace(/\s+/g, ' ')).toContain('the DataSource cannot be initialised')
  })
})
