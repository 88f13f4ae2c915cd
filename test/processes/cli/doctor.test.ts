import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LOADER } from '../../support/loader'
import { DataSource, EntitySchema } from 'typeorm'
import { applicationFindings, copyFindings } from '../../../src/cli/commands/doctor/application'
import { type Finding } from '../../../src/cli/commands/doctor/finding'

const root = join(__dirname, '..', '..', '..')

const OWN = 'typeorm-kms-encrypted'
const COPY = './copy/index'

/** An application whose decorator and `kmsEncryption()` may be of different copies of the package. */
const application = (decorators: string, encryption: string, options: string) => `
import 'reflect-metadata'
import { DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from '${decorators}'
import { kmsEncryption } from '${encryption}'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string' }) privateKey!: string
}
const options = { type: 'better-sqlite3' as const, database: ':memory:', entities: [User] }
const encryption = kmsEncryption({ keyId: 'alias/my-app' })
export default new DataSource(${options})
`

describe('The doctor, looking at an application', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    cpSync(join(root, 'src'), join(folder, 'copy'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'copy', 'package.json'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  /** What it finds wrong. The tool is a process of its own, because the application is loaded into it. */
  async function problems(source: string): Promise<{ status: number; found: Finding[] }> {
    writeFileSync(join(folder, 'ormconfig.ts'), source)
    const args = ['src/cli/main.ts', 'doctor', '-d', join(folder, 'ormconfig.ts'), '--json']
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [...LOADER, ...args],
        { cwd: root, env: { PATH: process.env['PATH'], HOME: process.env['HOME'] } },
        (_, stdout) => {
          const { findings } = JSON.parse(stdout) as { findings: Finding[] }
          resolve({
            status: child.exitCode ?? -1,
            found: findings.filter(({ level }) => level === 'problem'),
          })
        },
      )
    })
  }

  test('whose options did not go through configure(), names entity, property and remedy', async () => {
    const { status, found } = await problems(application(OWN, OWN, 'options'))
    expect(status).toBe(1)
    expect(found).toEqual([
      {
        area: 'application',
        level: 'problem',
        message:
          'the DataSource cannot be initialised: User.privateKey: the column is encrypted, but its DataSource was not told how. Wrap its options: new DataSource(encryption.configure({ … })), with encryption = kmsEncryption({ keyId }).',
      },
    ])
  })
  test.each([
    ['decorators of one copy and kmsEncryption() of another', COPY, OWN],
    ["a copy that is not the tool's", COPY, COPY],
  ])('with %s, names both copies', async (_, decorators, encryption) => {
    const { status, found } = await problems(
      application(decorators, encryption, 'encryption.configure(options)'),
    )
    expect(status).toBe(1)
    expect(found[0]!.message).toMatch(/^2 copies of typeorm-kms-encrypted are loaded/)
    for (const place of [root, join(folder, 'copy')]) expect(found[0]!.message).toContain(place)
    expect(found[0]!.remedy).toContain('npm ls typeorm-kms-encrypted')
    // The DataSource can be initialised with either, and has nothing else to tell: its columns are not seen.
    expect(found).toHaveLength(1)
  })
})

test('One copy is no finding, and files of other packages are none', () => {
  const files = [
    'src/index.ts',
    'src/orm/tokens.ts',
    'node_modules/typeorm/index.js',
    'node_modules/pg/lib/index.js',
  ]
  expect(copyFindings(files.map((file) => join(root, file)))).toEqual([])
})

test('A copy in a bundle is told by its columns', async () => {
  class BoundColumn {
    to = (value: unknown) => value
    from = (value: unknown) => value
  }
  const user = new EntitySchema({
    name: 'User',
    columns: { id: { type: Number, primary: true }, key: { type: String, transformer: new BoundColumn() } },
  })
  const dataSource = new DataSource({ type: 'better-sqlite3', database: ':memory:', entities: [user] })
  await dataSource.initialize()
  const [found, ...others] = applicationFindings(dataSource)
  expect(found!.message).toMatch(/^two copies of typeorm-kms-encrypted are loaded, .* perhaps in a bundle/)
  expect(others).toEqual([])
  await dataSource.destroy()
})
