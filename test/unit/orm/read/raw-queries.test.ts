import { type DataSource } from 'typeorm'
import { RawQueries } from '../../../../src/orm/read/raw-queries'
import { ReplacedMethods } from '../../../../src/orm/replaced-methods'

/** A builder as far as it matters: it tells in what it gives whether its statement counted as a raw one. */
class Builder {
  constructor(protected readonly raw: RawQueries) {}

  getRawMany(): Promise<boolean> {
    return this.send()
  }

  getRawOne(): Promise<boolean> {
    return this.getRawMany()
  }

  getMany(): Promise<boolean> {
    return this.send()
  }

  clone(): Builder {
    return new (this.constructor as new (raw: RawQueries) => Builder)(this.raw)
  }

  protected send(): Promise<boolean> {
    return Promise.resolve(this.raw.take() === 'raw')
  }
}

class Late extends Builder {
  protected override async send(): Promise<boolean> {
    await Promise.resolve()
    return super.send()
  }
}

class Failing extends Builder {
  override getRawMany(): Promise<boolean> {
    throw new Error('no such column')
  }
}

/** Asks the database itself before its own statement is sent, as a logger may. */
class Asking extends Builder {
  asked = false

  protected override send(): Promise<boolean> {
    const isRaw = super.send()
    this.asked = this.raw.take() === 'raw'
    return isRaw
  }
}

function builder<Class extends typeof Builder>(Class: Class): { raw: RawQueries; made: InstanceType<Class> } {
  const raw = new RawQueries()
  const dataSource = { createQueryBuilder: () => new Class(raw) }
  raw.watch(dataSource as unknown as DataSource, new ReplacedMethods(), () => false)
  return { raw, made: dataSource.createQueryBuilder() as InstanceType<Class> }
}

describe('a query counts as raw', () => {
  it.each([
    ['getRawMany()', (made: Builder) => made.getRawMany(), true],
    ['getRawOne(), which calls it', (made: Builder) => made.getRawOne(), true],
    ['getRawMany() of a clone of a clone', (made: Builder) => made.clone().clone().getRawMany(), true],
    ['getMany()', (made: Builder) => made.getMany(), false],
    ['getMany() of a clone', (made: Builder) => made.clone().getMany(), false],
  ])('%s', async (_, send, expected) => {
    const { raw, made } = builder(Builder)
    expect(await send(made)).toBe(expected)
    expect(raw.take()).toBe('entities')
  })
})

describe('a query counts as one for entities', () => {
  it('where something was awaited before it, and what is sent meanwhile does not count as raw either', async () => {
    const { raw, made } = builder(Late)
    const sending = made.getRawMany()
    expect(raw.take()).toBe('entities')
    expect(await sending).toBe(false)
  })

  it('after a raw one that failed', () => {
    const { raw, made } = builder(Failing)
    expect(() => made.getRawMany()).toThrow('no such column')
    expect(raw.take()).toBe('entities')
  })

  it('where it is sent while a raw one is', async () => {
    const { made } = builder(Asking)
    expect(await made.getRawMany()).toBe(true)
    expect(made.asked).toBe(false)
  })
})
