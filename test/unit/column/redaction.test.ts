/* eslint-disable @typescript-eslint/no-misused-spread -- what a copy has is what is tested */
import 'reflect-metadata'
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import { ConsoleLogger } from '@nestjs/common'
import pino from 'pino'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, redacted } from 'typeorm-kms-encrypted'
import { redact } from '../../../src/column/redaction'
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

describe('What a class says of itself', () => {
  /** Its method for JSON gives what the test puts there. */
  class Maker {
    name = 'Ada'
    @KmsEncrypted({ type: 'string', redact: { json: true } }) token: string | null | undefined = SECRET
    @KmsEncrypted({ type: 'string', redact: true }) shown = 'shown'
    made: (self: Maker) => unknown = (self) => ({ name: self.name, token: self.token, shown: self.shown })

    toJSON(): unknown {
      return this.made(this)
    }
  }

  const jsonOf = (given: Partial<Maker>): unknown => {
    const text = JSON.stringify([Object.assign(new Maker(), given)])
    return (JSON.parse(text) as unknown[])[0]
  }

  test('is hidden where it took over a value that JSON may not have, and only there', () => {
    expect(jsonOf({})).toEqual({ name: 'Ada', token: '[encrypted Maker.token]', shown: 'shown' })
    const made = (self: Maker): unknown => ({ name: self.name })
    expect(jsonOf({ made })).toEqual({ name: 'Ada' })
    expect(jsonOf({ made: ({ token }) => ({ token: token?.slice(-4) }) })).toEqual({ token: 'text' })
    expect(jsonOf({ token: null })).toEqual({ name: 'Ada', token: null, shown: 'shown' })
    expect(jsonOf({ token: undefined, made })).toEqual({ name: 'Ada' })
    const partial = new Maker()
    delete partial.token
    expect(JSON.parse(JSON.stringify(partial))).toEqual({ name: 'Ada', shown: 'shown' })
  })

  test.each([['a text'], [5], [null], [['a', 'list']]])('stays as it is where it is %j', (made) => {
    expect(jsonOf({ made: () => made })).toEqual(made)
  })

  test('is hidden where it is the object itself, also if the value would be opened by reading it', () => {
    const self = Object.assign(new Maker(), { made: (it: Maker) => it })
    expect(JSON.parse(JSON.stringify(self))).toEqual({
      name: 'Ada',
      token: '[encrypted Maker.token]',
      shown: 'shown',
    })
    const get = jest.fn(() => SECRET)
    Object.defineProperty(self, 'token', { get, enumerable: true })
    expect(JSON.stringify(self)).toContain('[encrypted Maker.token]')
    expect(JSON.stringify(Object.assign(self, { made: () => ({ name: 'Ada' }) }))).toBe('{"name":"Ada"}')
    expect(get).not.toHaveBeenCalled()
  })

  test('gets what util.inspect gives to its own method', () => {
    const given: unknown[] = []
    class Printed {
      @KmsEncrypted({ type: 'string', redact: true }) token = SECRET;

      [inspect.custom](...all: [number, object, typeof inspect]): string {
        given.push(...all)
        return this.token
      }
    }
    expect(inspect({ printed: new Printed() }, { compact: 7, depth: 5 })).not.toContain(SECRET)
    expect(given).toEqual([4, expect.objectContaining({ compact: 7 }), inspect])
  })
})

describe('A class of which values are hidden', () => {
  test('says nothing of JSON where JSON shows them', () => {
    class Shown {
      @KmsEncrypted({ type: 'string', redact: { json: false } }) token = SECRET
    }
    expect(inspect(new Shown())).toBe('Shown { token: [encrypted Shown.token] }')
    expect(JSON.stringify(new Shown())).toBe(`{"token":"${SECRET}"}`)
    expect('toJSON' in new Shown()).toBe(false)
  })

  test('shows what is not there as that, and nothing that is not enumerable', () => {
    class Sparse {
      @KmsEncrypted({ type: 'string', redact: { json: true } }) token: string | undefined = SECRET
    }
    expect(inspect(Object.assign(new Sparse(), { token: undefined }))).toBe('Sparse { token: undefined }')
    const hidden = Object.defineProperty(new Sparse(), 'token', { value: SECRET, enumerable: false })
    expect(inspect(hidden)).toBe('Sparse {}')
    expect(inspect(hidden, { showHidden: true })).toBe('Sparse { [token]: [encrypted Sparse.token] }')
    expect(redacted(hidden)).toEqual({})
    const name = Symbol('name')
    expect(inspect(Object.assign(new Sparse(), { [name]: 'x' }))).toContain("[Symbol(name)]: 'x'")
  })

  test('shows the nearest declaration of a property', () => {
    class Nearer extends User {
      @KmsEncrypted({ type: 'string', redact: true }) override privateKey: string | null = SECRET
    }
    expect(inspect(new Nearer())).toContain('privateKey: [encrypted Nearer.privateKey]')
    expect(inspect(new User())).toContain('privateKey: [encrypted User.privateKey]')
  })

  test('is changed once, however often it is asked for, and once asked not to show in JSON never does', () => {
    class Often {
      token = SECRET
    }
    const methods = () => [
      Reflect.get(Often.prototype, inspect.custom) as unknown,
      Reflect.get(Often.prototype, 'toJSON') as unknown,
    ]
    redact(Often.prototype, 'token', 'Often.token', false)
    expect(methods()).toEqual([undefined, undefined])
    redact(Often.prototype, 'token', 'Often.token', { json: true })
    const before = methods()
    for (const option of [true, { json: false }, { json: true }, true, false])
      redact(Often.prototype, 'token', 'Often.token', option)
    expect(methods()).toEqual([expect.any(Function), expect.any(Function)])
    expect(methods().every((method, index) => method === before[index])).toBe(true)
    expect(JSON.stringify(new Often())).toBe('{"token":"[encrypted Often.token]"}')
  })

  test('may get other methods, as any class', () => {
    class Changing {
      token = SECRET
      toJSON?(): unknown
    }
    redact(Changing.prototype, 'token', 'Changing.token', { json: true })
    expect(JSON.stringify(Object.assign(new Changing(), { toJSON: () => 'own' }))).toBe('"own"')
    expect(JSON.stringify(new Changing())).toBe('{"token":"[encrypted Changing.token]"}')
    for (const name of ['toJSON', inspect.custom])
      expect(Reflect.deleteProperty(Changing.prototype, name)).toBe(true)
    expect(inspect(new Changing())).toContain(SECRET)
  })

  test('may have a property by that name that is no method', () => {
    const owner = { toJSON: 'by post' as unknown }
    redact(owner, 'token', 'token', { json: true })
    const letter = Object.assign(Object.create(owner) as object, { token: SECRET })
    expect(JSON.stringify(letter)).toBe('{"token":"[encrypted token]"}')
  })
})

test('redacted() looks into objects without a prototype', () => {
  const bare = Object.assign(Object.create(null) as object, { user: new User() })
  expect(inspect(redacted(bare), { customInspect: false, depth: Infinity })).not.toContain(SECRET)
})
