import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import { Linter } from 'eslint'
import ts from 'typescript'
import * as typescriptEslint from 'typescript-eslint'
import { parser } from 'typescript-eslint'
import * as plugin from '../../../src/eslint'
import { recommended } from '../../../src/eslint'
import { document } from '../../unit/docs/documents'

const root = join(__dirname, '../../..')
const linter = new Linter({ cwd: root })

/** What stands before each case. */
const ENTITIES = `
import { Column, Entity, type EntityManager, In, IsNull, ManyToOne, Not, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { Indexed, KmsEncrypted, KmsEncrypted as Secret } from 'typeorm-kms-encrypted'
@Entity('person')
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() city!: string
  @KmsEncrypted({ name: 'private_key' }) privateKey!: string
  @Secret() pin!: string
}
@Entity()
class Card {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ search: true }) holder!: string
  @KmsEncrypted({ search: { name: 'last4', from: (v: string) => v.slice(-4) } }) digits!: string
  @KmsEncrypted({ search: [true, { name: 'domain', from: (v: string) => v }] }) email!: string
  @KmsEncrypted({ search: { filling: true } }) phone!: string
  @KmsEncrypted({ search: { name: 'both', with: ['first'] } }) last!: string
  @KmsEncrypted() first!: string
}
@Entity()
class BankAccount {
  @PrimaryGeneratedColumn() id!: number
  @Column() pin!: string
  @KmsEncrypted() iban!: string
  @ManyToOne(() => User) owner!: User
}
declare const user: User
declare const account: BankAccount
declare const cards: Repository<Card>
declare const users: Repository<User>
declare const accounts: Repository<BankAccount>
declare const manager: EntityManager
declare const logger: { info(...values: unknown[]): void }
declare const service: { readonly logger: typeof logger; readonly auditLogger: typeof logger; run(value: unknown): void }
export { BankAccount, Card, cards, In, Indexed, IsNull, Not, User, account, accounts, logger, manager, service, user, users }
`

/** The case is part of no project on the disk. */
const languageOptions = {
  parser,
  parserOptions: { projectService: { allowDefaultProject: ['case.ts'] }, tsconfigRootDir: root },
}

function lint(code: string, config: Linter.Config[] = [recommended]): { rule: string; text: string }[] {
  const messages = linter.verify(ENTITIES + code, [...config, { languageOptions }], join(root, 'case.ts'))
  return messages.map(({ ruleId, message }) => ({ rule: ruleId ?? 'none', text: message }))
}

function rules(code: string): string[] {
  return lint(code).map(({ rule }) => rule.replace('kms-encrypted/', ''))
}

describe('no-logged-plaintext', () => {
  it.each([
    'console.log(user.privateKey)',
    'logger.info(`key ${user.privateKey}`)',
    "logger.info('key ' + user.pin)",
    'service.auditLogger.info({ key: user.privateKey })',
    'service.logger.info([user.id, user.privateKey])',
    'console.error(JSON.stringify(user))',
    'console.log(user)',
    'console.table([user])',
    'void users.find().then((all) => { console.log(all) })',
    'console.log(account.owner.privateKey)',
    'console.log({ ...user })',
    'console.log(user.privateKey!)',
    'console.log(user.privateKey as unknown)',
    'console.log(user.id || user.privateKey)',
    'console.log(user?.privateKey)',
    'console.log(account?.owner?.privateKey)',
    "logger?.info(user['privateKey'])",
    'console.log(user.privateKey.toString())',
    "console.log([user.id, user.pin].join(' '))",
    'console.log(String.raw`${user.pin}`)',
    'const { privateKey } = user\nconsole.log({ privateKey })',
    'const { owner: { pin: code } } = account\nconsole.log(code)',
    'export const show = ({ pin, id }: User) => { console.log(id, pin) }',
    'const { id, ...rest } = user\nconsole.log(rest)\nexport { id }',
    'declare function getLogger(): typeof logger\ngetLogger().info(user.pin)',
  ])('finds %s', (code) => {
    expect(rules(code)).toEqual(['no-logged-plaintext'])
  })

  it.each([
    'console.log(user.id, user.city)',
    'console.log(account.pin)',
    'console.log(user.privateKey.length)',
    'service.run(user.privateKey)',
    "console.log('privateKey')",
    'Math.log(user.privateKey.length)',
    'const { id, city } = user\nconsole.log({ id, city })',
    'const [pin] = [user.id]\nconsole.log(pin)',
    'console.log(user.privateKey.length.toString())',
    'const { pin } = account\nconsole.log(pin)',
  ])('lets %s pass', (code) => {
    expect(rules(code)).toEqual([])
  })

  it('names entity and property', () => {
    expect(lint('console.log(user.privateKey)')[0]?.text).toContain('User.privateKey is encrypted')
  })
})

describe('no-plaintext-in-error', () => {
  it.each([
    'throw new Error(`no user with ${user.privateKey}`)',
    "throw new TypeError('no user with ' + user.privateKey)",
    'throw new Error(`no user with ${user?.privateKey}`)',
    "throw new Error('no user', { cause: user.pin })",
    'class NotFoundException { constructor(public body: unknown) {} }\nthrow new NotFoundException({ key: user.privateKey })',
  ])('finds %s', (code) => {
    expect(rules(code)).toEqual(['no-plaintext-in-error'])
  })

  it.each([
    'throw new Error(`no user ${user.id}`)',
    'throw new Error(`no user ${user?.id}`)',
    'export const copy = new Map([[user.id, user.privateKey]])',
  ])('lets %s pass', (code) => {
    expect(rules(code)).toEqual([])
  })
})

describe('no-raw-sql', () => {
  it.each([
    "void manager.query('SELECT private_key FROM person')",
    'void manager.query(`UPDATE person SET pin = 1 WHERE id = ${user.id}`)',
    "void manager.query('SELECT iban ' + 'FROM bank_account')",
    'void manager.sql`SELECT id FROM person WHERE pin = ${user.city}`',
    'void manager?.query(`\n  SELECT p.private_key\n  FROM person p\n`)',
  ])('finds %s', (code) => {
    expect(rules(code)).toEqual(['no-raw-sql'])
  })

  it.each([
    "void manager.query('SELECT pin FROM bank_account')",
    "void manager.query('SELECT id, city FROM person')",
    "void manager.query('SELECT iban FROM elsewhere')",
    'void manager.sql`SELECT id FROM person WHERE city = ${user.city}`',
    'export const text = String.raw`SELECT pin FROM person`',
  ])('lets %s pass', (code) => {
    expect(rules(code)).toEqual([])
  })
})

describe('no-unindexed-where', () => {
  it.each([
    "void users.findOneBy({ privateKey: 'x' })",
    "void users.find({ where: { pin: 'x' } })",
    "void users.find({ where: [{ id: 1 }, { pin: 'x' }] })",
    "void accounts.find({ where: { owner: { privateKey: 'x' } } })",
    "void manager.findOneBy(User, { privateKey: 'x' })",
    "void users.update({ privateKey: 'x' }, { city: 'y' })",
    "void cards.findBy({ digits: '4242' })",
    "void cards.findBy({ digits: In(['4242']) })",
    "void cards.findBy({ digits: Not(In(['4242'])) })",
    "void cards.findBy({ phone: '1' })",
    "void users?.findOneBy({ pin: 'x' })",
    "void users.createQueryBuilder('u').where({ pin: 'x' }).getOne()",
    "void accounts.createQueryBuilder('a').orWhere([{ id: 1 }, { owner: { pin: 'x' } }]).getOne()",
    "void users.createQueryBuilder().update().set({ pin: 'y' }).where({ pin: 'x' }).execute()",
    "void users.createQueryBuilder('u')\n  .leftJoin('u.city', 'c')\n  .where('u.id = 1')\n  .andWhere('u.pin = :pin', { pin: 1 })\n  .getMany()",
    "void manager.createQueryBuilder(User, 'u').where(`LOWER(u.privateKey) LIKE :key`).getMany()",
    "void cards.createQueryBuilder('card').where('card.phone = :phone').getMany()",
  ])('finds %s', (code) => {
    expect(rules(code)).toEqual(['no-unindexed-where'])
  })

  it.each([
    "void users.findOneBy({ city: 'x' })",
    "void accounts.findOneBy({ pin: 'x' })",
    'void users.find({ where: { privateKey: Not(IsNull()) } })',
    "void users.update({ id: 1 }, { privateKey: 'x' })",
    "void users.save({ privateKey: 'x' })",
    "void manager.update(User, { id: 1 }, { privateKey: 'x' })",
    "void cards.findBy({ holder: 'x', email: 'y' })",
    "void cards.findBy({ digits: Indexed('last4', '4242') })",
    "void cards.findBy({ digits: Not(Indexed('last4', '4242')), phone: IsNull() })",
    "void cards.findBy({ last: 'x', first: 'y' })",
    "void users.createQueryBuilder('u').where('u.pin IS NOT NULL AND u.city = :pin').getMany()",
    "void users.createQueryBuilder('u').innerJoin('other', 'o').where('o.pin = :pin').getMany()",
    "void cards.createQueryBuilder('card').where('card.holder = :holder').getMany()",
    "void users.createQueryBuilder('u').where({ city: 'x', pin: IsNull() }).getMany()",
    "void users.createQueryBuilder('u').where('u.city = :pin', { pin: 'x' }).getMany()",
    "declare const knex: any\nknex('person').where({ pin: 'x' }).orWhere('u.pin = 1')",
    "class Builder { where(condition: object) { return condition } }\nnew Builder().where({ pin: 'x' })",
  ])('lets %s pass', (code) => {
    expect(rules(code)).toEqual([])
  })
})

describe('explicit-type', () => {
  it.each([
    'export class A { @KmsEncrypted({ nullable: true }) secret!: string | null }',
    'export class A { @KmsEncrypted() secret!: Date | undefined }',
    "export class A { @KmsEncrypted() secret!: 'a' | 'b' }",
  ])('finds %s', (code) => {
    expect(rules(code)).toEqual(['explicit-type'])
  })

  it.each([
    "export class A { @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null }",
    'export class A { @KmsEncrypted() secret!: string }',
    'export class A { @Column({ nullable: true }) secret!: string | null }',
    'export class A { @KmsEncrypted() secret!: { a: string } | null }',
  ])('lets %s pass', (code) => {
    expect(rules(code)).toEqual([])
  })
})

it('says that it needs types, rather than find nothing', () => {
  const config = { ...recommended, languageOptions: { parser } }
  expect(() => linter.verify('console.log(1)', [config], join(root, 'case.ts'))).toThrow(/typed linting/)
})

it('works in the configuration of docs/eslint.md, beside the rules of typescript-eslint', () => {
  const block = /```js\n(.*?)```/s.exec(document('docs/eslint.md'))?.[1] ?? ''
  const compilerOptions = { module: ts.ModuleKind.CommonJS, esModuleInterop: true }
  const { outputText } = ts.transpileModule(block, { compilerOptions })
  const modules: Record<string, unknown> = {
    'typescript-eslint': typescriptEslint,
    'typeorm-kms-encrypted/eslint': plugin,
  }
  const exported: { default?: Linter.Config[] } = {}
  const load = compileFunction(outputText, ['require', 'exports']) as (
    require: (name: string) => unknown,
    exports: typeof exported,
  ) => void
  load((name) => modules[name], exported)
  const config = exported.default ?? []
  expect(config).toContain(recommended)
  const found = lint('console.log(user.privateKey)\nPromise.resolve(1)', config).map(({ rule }) => rule)
  expect(found).toEqual(
    expect.arrayContaining(['kms-encrypted/no-logged-plaintext', '@typescript-eslint/no-floating-promises']),
  )
})
