import { type DataSource, type EntityMetadata, type FindManyOptions } from 'typeorm'
import { ComparedRows, watchIds } from '../../../../src/orm/read/compared-rows'
import { type QueryUse, RawQueries } from '../../../../src/orm/read/raw-queries'
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

describe('a query is one for rows that are compared', () => {
  const OPTIONS: FindManyOptions = {
    loadEagerRelations: false,
    withDeleted: true,
    loadRelationIds: { disableMixedMap: true },
  }
  const ids = (): object[] => {
    const metadata = { getEntityIdMap: ({ id }: { id: number }) => ({ id }) }
    watchIds(metadata as unknown as EntityMetadata)
    return [metadata.getEntityIdMap({ id: 1 })]
  }

  /** Tells what its statement counted as. */
  class Telling {
    told: QueryUse | undefined
    calls: unknown[] = []
    constructor(readonly raw: RawQueries) {}
    setFindOptions(options: unknown): this {
      this.calls.push(options)
      return this
    }
    whereInIds(of: unknown): this {
      this.calls.push(of)
      return this
    }
    getMany(): Promise<object[]> {
      this.told = this.raw.take()
      return Promise.resolve([])
    }
    getOneOrFail(): string {
      return 'of the class'
    }
    clone(): Telling {
      return new Telling(this.raw)
    }
  }

  function telling({
    subscribers = [] as object[],
    getOneOrFail = undefined as (() => string) | undefined,
  } = {}) {
    const raw = new RawQueries()
    const dataSource = { createQueryBuilder: () => new Telling(raw), subscribers, entityMetadatas: [] }
    const watch = () => {
      raw.watch(
        dataSource as unknown as DataSource,
        new ReplacedMethods(),
        () => false,
        getOneOrFail as never,
      )
    }
    watch()
    return dataSource.createQueryBuilder()
  }

  it.each([
    ['with the options of TypeORM and ids of entities', OPTIONS, ids, true],
    ['with other options', { ...OPTIONS, withDeleted: false }, ids, false],
    ['with other ids', OPTIONS, () => [{ id: 1 }], false],
  ])('%s', async (_, options, of, expected) => {
    const made = telling()
    const all = of()
    made.setFindOptions(options).whereInIds(all)
    await made.getMany()
    expect(made.told instanceof ComparedRows).toBe(expected)
    expect(made.told === 'entities').toBe(!expected)
    expect(made.calls).toEqual([options, all])
    expect(made.raw.take()).toBe('entities')
  })

  it('and the application may look at them, as far as it has subscribers', async () => {
    for (const [subscribers, isSeen] of [
      [[], false],
      [[{ afterLoad: () => undefined }], true],
    ] as const) {
      const made = telling({ subscribers: [...subscribers] })
      made.setFindOptions(OPTIONS).whereInIds(ids())
      await made.getMany()
      expect(made.told).toMatchObject({ isSeen })
    }
  })

  it('a builder does what it is given instead of getOneOrFail(), and else what its class does', () => {
    expect(telling().getOneOrFail()).toBe('of the class')
    const made = telling({ getOneOrFail: () => 'replaced' })
    expect([made.getOneOrFail(), made.clone().getOneOrFail()]).toEqual(['replaced', 'replaced'])
  })
})
