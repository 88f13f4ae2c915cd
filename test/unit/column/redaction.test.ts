/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import 'reflect-metadata'
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import { ConsoleLogger } from '@nestjs/common'
import pino from 'pino'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, redacted } from 'typeorm-kms-encrypted'
import winston from 'winston'

const SECRET = 'the-secret-text'

class Address {
  @KmsEncrypted({ type: 'string', redact: { json: true } }) street = SECRET
  city = 'Bern'
}

@Entity()
class User {
  @PrimaryColumn('int') id = 1
  @KmsEncrypted({ type: 'string', redact: { json: true } }) privateKey: string | null = SECRET
  @KmsEncrypted({ type: 'json', redact: true }) codes = [SECRET]
  address = new Address()
  friends: User[] = []
}

class Admin extends User {
  @KmsEncrypted({ type: 'string', redact: { json: true } }) pin = SECRET
}

/** Has methods of its own for that, and needs what only its instances have. */
class Guest {
  readonly #visits = 3
  name = 'Ada'
  @KmsEncrypted({ type: 'string', redact: { json: true } }) token = SECRET;

  [inspect.custom](): string {
    return `Guest ${this.#visits} ${this.token}`
  }

  toJSON(): object {
    return { ...this, visits: this.#visits }
  }
}

function circle(): User {
  const user = new User()
  const friend = new Admin()
  user.friends.push(friend)
  friend.friends.push(user)
  return user
}

describe('A value that does not print', () => {
  test('is not in what util.inspect gives, at any depth', () => {
    const user = circle()
    for (const options of [
      {},
      { depth: Infinity },
      { depth: 0 },
      { showHidden: true, depth: Infinity },
      { getters: true, depth: Infinity },
      { compact: false, sorted: true },
    ]) {
      for (const value of [user, { deep: [[new Map([['x', user]])]] }, new Error('x', { cause: user })]) {
        expect(inspect(value, options)).not.toContain(SECRET)
      }
    }
    expect(inspect(user)).toMatch(
      /^User \{\n {2}id: 1,\n {2}privateKey: \[encrypted User\.privateKey\],\n {2}codes: \[encrypted User\.codes\]/,
    )
    expect(inspect(user, { depth: Infinity })).toContain('friends: [ [Circular *1] ]')
    expect(inspect(new Admin())).toContain('pin: [encrypted Admin.pin]')
    for (const text of ['%s', '%o', '%O', '%j', 'x']) {
      const shown = text === '%j' ? new Address() : user
      expect(format(text, shown)).not.toContain(SECRET)
    }
    expect(inspect(Object.assign(new User(), { privateKey: null }))).toContain('privateKey: null')
    // What changes shows.
    user.id = 2
    expect(inspect(user)).toContain('id: 2')
  })

  test('is in JSON only if it may be', () => {
    const user = new User()
    expect(JSON.parse(JSON.stringify({ user }))).toEqual({
      user: {
        id: 1,
        privateKey: '[encrypted User.privateKey]',
        codes: [SECRET],
        address: { street: '[encrypted Address.street]', city: 'Bern' },
        friends: [],
      },
    })
    expect(() => JSON.stringify(circle())).toThrow(/circular/)
  })

  test('is hidden in what methods of the class make of it', () => {
    const guest = new Guest()
    expect(JSON.parse(JSON.stringify(guest))).toEqual({
      name: 'Ada',
      token: '[encrypted Guest.token]',
      visits: 3,
    })
    expect(inspect(guest)).not.toContain(SECRET)
    expect(inspect(guest)).toContain('Ada')
  })

  test('is not in what loggers write', () => {
    const lines: string[] = []
    const stream = new Writable({
      write(chunk, _, done) {
        lines.push(String(chunk))
        done()
      },
    })
    const user = Object.assign(circle(), { codes: [] })
    user.friends[0]!.codes = []
    const single = Object.assign(new User(), { codes: [] })
    const plain = pino({}, stream)
    plain.info({ user }, 'x')
    const careful = pino({ formatters: { log: redacted } }, stream)
    careful.info(user as object)
    careful.info({ nested: [{ user: circle() }] })
    const transports = [new winston.transports.Stream({ stream })]
    winston.createLogger({ transports }).info({ message: 'x', user: new Address() })
    const formatted = winston.format.combine(
      winston.format((info) => redacted(info))(),
      winston.format.simple(),
    )
    winston.createLogger({ transports, format: formatted }).info('x', { user: circle() })
    const write = jest
      .spyOn(process.stdout, 'write')
      .mockImplementation((text) => lines.push(String(text)) > 0)
    try {
      for (const json of [false, true]) {
        const logger = new ConsoleLogger({ colors: false, json })
        logger.log(json ? single : new Admin())
        logger.log({ user: json ? single : circle() })
        logger.log([single], 'x')
      }
      new Console(stream).log(circle(), '%s', new User())
    } finally {
      write.mockRestore()
    }
    expect(lines.length).toBeGreaterThanOrEqual(11)
    expect(lines.join('\n')).not.toContain(SECRET)
    expect(lines.join('\n')).toContain('[encrypted User.privateKey]')
  })

  test('is what it was for whoever reads, compares or copies it', () => {
    const user = new User()
    inspect(user)
    JSON.stringify(user)
    expect(user.privateKey).toBe(SECRET)
    expect(Object.keys(user)).toEqual(['id', 'privateKey', 'codes', 'address', 'friends'])
    expect({ ...user }).toEqual({
      id: 1,
      privateKey: SECRET,
      codes: [SECRET],
      address: new Address(),
      friends: [],
    })
    expect(structuredClone(user)).toMatchObject({ privateKey: SECRET, address: { street: SECRET } })
    expect(user).toEqual(new User())
    expect(user).not.toEqual(Object.assign(new User(), { privateKey: 'another' }))
    expect(Object.assign(new User(), user)).toBeInstanceOf(User)
    const names: string[] = []
    for (const name in user) names.push(name)
    expect(names).toEqual(Object.keys(user))
  })

  test('stays out of what redacted() makes, which calls no getter and changes nothing', () => {
    const date = new Date(0)
    const user = circle()
    const lazy = { get posts(): never[] { throw new Error('asked') } } // prettier-ignore
    const given = { user, list: [user], date, text: 'x', none: null, lazy }
    const shown = redacted(given)
    expect(JSON.stringify(shown.list[0]!.privateKey)).toBe('"[encrypted User.privateKey]"')
    expect(inspect(shown, { depth: Infinity, customInspect: false })).not.toContain(SECRET)
    expect(shown).toMatchObject({ date, text: 'x', none: null })
    expect(shown.user).toBe(shown.list[0])
    expect(given.user).toBe(user)
    expect(user.privateKey).toBe(SECRET)
    for (const value of [undefined, null, 1, 'x', date]) expect(redacted(value)).toBe(value)
  })
})
