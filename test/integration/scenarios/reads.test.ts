import 'reflect-metadata'
import { type Readable } from 'node:stream'
import { Column, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases, hasStreams } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { isCiphertext, kmsCalls } from './support'

@Entity()
class Author {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) name!: string
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ type: 'string', nullable: true, select: false }) hidden?: string | null
  @OneToMany('Book', 'author') books!: Book[]
}

@Entity()
class Book {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) title!: string
  @KmsEncrypted({ mode: 'direct' }) secret!: string
  @KmsEncrypted({ storage: 'text', nullable: true, type: 'json' }) notes!: string[] | null
  @ManyToOne('Author', 'books', { eager: true }) author!: Author
  @OneToMany('Page', 'book') pages!: Promise<Page[]>
}

@Entity()
class Page {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'int' }) number!: number
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) secret!: string
  @ManyToOne('Book', 'pages') book!: Promise<Book>
}

@Entity()
class DepartmentOfInternationalCorrespondence {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() confidentialDescriptionOfResponsibilities!: string
  @ManyToOne('DepartmentOfInternationalCorrespondence', { nullable: true })
  departmentThatSupervisesThisDepartment!: DepartmentOfInternationalCorrespondence | null
}

describeDatabases('reading entities with encrypted columns', (db) => {
  let application: TestApplication
  let authors: Repository<Author>
  let books: Repository<Book>

  beforeAll(async () => {
    application = await startApplication(db(), [Author, Book, Page, DepartmentOfInternationalCorrespondence])
    const { manager } = application.dataSource
    authors = manager.getRepository(Author)
    books = manager.getRepository(Book)
    for (const name of ['Ada', 'Bob', 'Cyd']) {
      const author = await authors.save({ name, secret: `secret of ${name}`, hidden: `hidden by ${name}` })
      for (const part of [1, 2]) {
        const book = await books.save({
          title: `${name} ${part}`,
          secret: `plot of ${name} ${part}`,
          notes: part === 1 ? [name] : null,
          author,
        })
        await manager.insert(Page, [
          { number: 1, secret: `${book.title}, page 1`, book: { id: book.id } as unknown as Promise<Book> },
          { number: 2, secret: `${book.title}, page 2`, book: { id: book.id } as unknown as Promise<Book> },
        ])
      }
    }
  })

  afterAll(() => application.stop())

  /** The same in a process that has no data key yet, so that nothing is opened by luck. */
  async function cold<T>(read: (application: TestApplication) => Promise<T>): Promise<T> {
    const { dataSource, encryption } = await application.restart()
    try {
      return await read({ ...application, dataSource, encryption })
    } finally {
      await dataSource.destroy()
    }
  }

  const secrets = (found: { secret: string }[]) => found.map(({ secret }) => secret)

  it('gives plaintext from every find method', async () => {
    await cold(async ({ dataSource }) => {
      const repository = dataSource.getRepository(Author)
      const order = { id: 'ASC' } as const
      const all = ['secret of Ada', 'secret of Bob', 'secret of Cyd']
      expect(secrets(await repository.find({ order }))).toEqual(all)
      expect(secrets(await repository.findBy({ name: 'Bob' }))).toEqual([all[1]])
      expect((await repository.findOne({ where: { name: 'Cyd' } }))?.secret).toBe(all[2])
      expect((await repository.findOneBy({ name: 'Ada' }))?.secret).toBe(all[0])
      expect((await repository.findOneOrFail({ where: { name: 'Ada' } })).secret).toBe(all[0])
      expect((await repository.findOneByOrFail({ name: 'Ada' })).secret).toBe(all[0])
      const [page, count] = await repository.findAndCount({ order, skip: 1, take: 1 })
      expect([secrets(page), count]).toEqual([[all[1]], 3])
      const [some, number] = await repository.findAndCountBy({ name: 'Ada' })
      expect([secrets(some), number]).toEqual([[all[0]], 1])
    })
  })

  it('calls no KMS for counts and existence', async () => {
    const [calls] = await cold((fresh) =>
      kmsCalls(fresh, async () => {
        const repository = fresh.dataSource.getRepository(Author)
        await expect(repository.count()).resolves.toBe(3)
        await expect(repository.countBy({ name: 'Ada' })).resolves.toBe(1)
        await expect(repository.exists({ where: { name: 'Ada' } })).resolves.toBe(true)
        await expect(repository.existsBy({ name: 'Zoe' })).resolves.toBe(false)
        await expect(repository.maximum('id')).resolves.toBe(3)
      }),
    )
    expect(calls).toBe(0)
  })

  it('opens a page of rows under one data key with one call', async () => {
    const [calls, found] = await cold((fresh) =>
      kmsCalls(fresh, () => fresh.dataSource.getRepository(Author).find()),
    )
    expect(found).toHaveLength(3)
    expect(calls).toBe(1)
  })

  it('gives plaintext from the select query builder', async () => {
    await cold(async ({ dataSource }) => {
      const builder = () =>
        dataSource.createQueryBuilder(Author, 'a').where('a.name = :name', { name: 'Bob' })
      expect((await builder().getOne())?.secret).toBe('secret of Bob')
      expect((await builder().getOneOrFail()).secret).toBe('secret of Bob')
      expect(secrets(await builder().getMany())).toEqual(['secret of Bob'])
      const [found, count] = await builder().getManyAndCount()
      expect([secrets(found), count]).toEqual([['secret of Bob'], 1])
      await expect(builder().getExists()).resolves.toBe(true)
    })
  })

  it('gives plaintext without listeners too', async () => {
    await cold(async ({ dataSource }) => {
      const [author] = await dataSource
        .createQueryBuilder(Author, 'a')
        .callListeners(false)
        .orderBy('a.id')
        .getMany()
      expect(author!.secret).toBe('secret of Ada')
    })
  })

  it('gives ciphertext from getRawMany and getRawOne, which decrypt() opens', async () => {
    const rows = await books.createQueryBuilder('b').orderBy('b.id').getRawMany<Record<string, unknown>>()
    const one = await books.createQueryBuilder('b').orderBy('b.id').getRawOne<Record<string, unknown>>()
    expect(rows).toHaveLength(6)
    for (const row of [...rows, one!]) {
      expect(isCiphertext(row['b_secret'])).toBe(true)
      expect(isCiphertext(row['b_notes'])).toBe(true)
    }
    await cold(async ({ encryption }) => {
      await expect(encryption.decrypt(Book, 'secret', rows[0]!['b_secret'])).resolves.toBe('plot of Ada 1')
      await expect(encryption.decrypt(Book, 'notes', rows[0]!['b_notes'])).resolves.toEqual(['Ada'])
    })
  })

  it('gives entities with plaintext and raw rows with ciphertext from getRawAndEntities', async () => {
    const { entities, raw } = await authors
      .createQueryBuilder('a')
      .orderBy('a.id')
      .getRawAndEntities<Record<string, unknown>>()
    expect(secrets(entities)).toEqual(['secret of Ada', 'secret of Bob', 'secret of Cyd'])
    expect(raw.every((row) => isCiphertext(row['a_secret']))).toBe(true)
  })

  it('streams raw rows with ciphertext, on the databases that stream', async () => {
    const builder = authors.createQueryBuilder('a').orderBy('a.id')
    if (!hasStreams(db())) {
      if (db().name === 'sqlite') await expect(builder.stream()).rejects.toThrow('Stream is not supported')
      expect(await builder.getRawMany()).toHaveLength(3)
      return
    }
    const rows: Record<string, unknown>[] = []
    for await (const row of (await builder.stream()) as Readable) rows.push(row as Record<string, unknown>)
    expect(rows.map((row) => row['a_name'])).toEqual(['Ada', 'Bob', 'Cyd'])
    expect(rows.every((row) => isCiphertext(row['a_secret']))).toBe(true)
    await expect(application.encryption.decrypt(Author, 'secret', rows[2]!['a_secret'])).resolves.toBe(
      'secret of Cyd',
    )
  })

  it('reads and decrypts only the columns that are selected', async () => {
    const [calls] = await cold((fresh) =>
      kmsCalls(fresh, async () => {
        const [author] = await fresh.dataSource
          .getRepository(Author)
          .find({ select: { id: true, name: true } })
        expect(Object.keys(author!)).toEqual(['id', 'name'])
        await fresh.dataSource.createQueryBuilder(Author, 'a').select(['a.id']).getMany()
      }),
    )
    expect(calls).toBe(0)
    const [author] = await authors.find({ select: { secret: true }, order: { id: 'ASC' } })
    expect(author).toEqual({ secret: 'secret of Ada' })
  })

  it('reads a column with select: false only when asked, and leaves it alone when not', async () => {
    const [author] = await authors.find({ order: { id: 'ASC' } })
    expect(author).not.toHaveProperty('hidden')
    author!.name = 'Ada L.'
    await authors.save(author!)
    const found = await authors
      .createQueryBuilder('a')
      .addSelect('a.hidden')
      .where({ id: author!.id })
      .getOneOrFail()
    expect(found).toMatchObject({ name: 'Ada L.', hidden: 'hidden by Ada' })
    await authors.update(author!.id, { name: 'Ada' })
  })

  it('tells columns of the same name in joined tables apart', async () => {
    await cold(async ({ dataSource }) => {
      const found = await dataSource
        .createQueryBuilder(Author, 'author')
        .leftJoinAndSelect('author.books', 'book')
        .innerJoinAndSelect('book.pages', 'page')
        .where('author.name = :name', { name: 'Ada' })
        .orderBy('book.id')
        .addOrderBy('page.id')
        .getOneOrFail()
      expect(found.secret).toBe('secret of Ada')
      expect(secrets(found.books)).toEqual(['plot of Ada 1', 'plot of Ada 2'])
      expect(secrets(await found.books[0]!.pages)).toEqual(['Ada 1, page 1', 'Ada 1, page 2'])
    })
  })

  it('decrypts what is joined and mapped to other properties', async () => {
    const found = (await authors
      .createQueryBuilder('author')
      .leftJoinAndMapOne('author.first', Book, 'first', 'first.title = :title', { title: 'Bob 1' })
      .leftJoinAndMapMany('author.others', Author, 'other', 'other.id <> author.id')
      .where('author.name = :name', { name: 'Bob' })
      .orderBy('other.id')
      .getOneOrFail()) as Author & { first: Book; others: Author[] }
    expect(found.first.secret).toBe('plot of Bob 1')
    expect(secrets(found.others)).toEqual(['secret of Ada', 'secret of Cyd'])
  })

  it('decrypts eager and lazy relations', async () => {
    await cold(async ({ dataSource }) => {
      const book = await dataSource.getRepository(Book).findOneByOrFail({ title: 'Cyd 2' })
      expect(book.author.secret).toBe('secret of Cyd')
      const pages = await book.pages
      expect(secrets(pages).sort()).toEqual(['Cyd 2, page 1', 'Cyd 2, page 2'])
      expect((await pages[0]!.book).secret).toBe('plot of Cyd 2')
    })
  })

  it('decrypts relations that are loaded by queries of their own', async () => {
    await cold(async ({ dataSource }) => {
      const found = await dataSource.getRepository(Author).findOneOrFail({
        where: { name: 'Bob' },
        relations: { books: true },
        relationLoadStrategy: 'query',
      })
      expect(secrets(found.books).sort()).toEqual(['plot of Bob 1', 'plot of Bob 2'])
    })
  })

  it('decrypts beside loadRelationIds and relation counts', async () => {
    const found = await authors.findOneOrFail({ where: { name: 'Ada' }, loadRelationIds: true })
    expect(found.secret).toBe('secret of Ada')
    expect(found.books).toHaveLength(2)
    const [book] = await books.find({ where: { title: 'Ada 1' }, loadRelationIds: { relations: ['author'] } })
    expect(book).toMatchObject({ secret: 'plot of Ada 1', notes: ['Ada'], author: 1 })
  })

  it('pages through joined rows', async () => {
    await cold(async ({ dataSource }) => {
      const [found, count] = await dataSource
        .createQueryBuilder(Author, 'author')
        .leftJoinAndSelect('author.books', 'book')
        .orderBy('author.name', 'DESC')
        .skip(1)
        .take(1)
        .getManyAndCount()
      expect(count).toBe(3)
      expect(secrets(found)).toEqual(['secret of Bob'])
      expect(secrets(found[0]!.books).sort()).toEqual(['plot of Bob 1', 'plot of Bob 2'])
      const byFind = await dataSource
        .getRepository(Author)
        .find({ relations: { books: true }, order: { name: 'ASC' }, take: 2 })
      expect(secrets(byFind.flatMap((author) => author.books)).sort()).toEqual([
        'plot of Ada 1',
        'plot of Ada 2',
        'plot of Bob 1',
        'plot of Bob 2',
      ])
    })
  })

  it('decrypts under aliases that TypeORM shortens to a hash', async () => {
    const departments = application.dataSource.getRepository(DepartmentOfInternationalCorrespondence)
    const top = await departments.save({ confidentialDescriptionOfResponsibilities: 'top' })
    await departments.save({
      confidentialDescriptionOfResponsibilities: 'below',
      departmentThatSupervisesThisDepartment: top,
    })
    await cold(async ({ dataSource }) => {
      const repository = dataSource.getRepository(DepartmentOfInternationalCorrespondence)
      const options = {
        relations: { departmentThatSupervisesThisDepartment: true },
        order: { id: 'DESC' },
      } as const
      const [found] = await repository.find(options)
      expect(found).toMatchObject({
        confidentialDescriptionOfResponsibilities: 'below',
        departmentThatSupervisesThisDepartment: { confidentialDescriptionOfResponsibilities: 'top' },
      })
      const [again] = await repository.find({ ...options, skip: 0, take: 1 })
      expect(again).toEqual(found)
    })
  })

  it('decrypts in a transaction, under a lock and within subqueries', async () => {
    await cold(async ({ dataSource }) => {
      await dataSource.transaction(async (manager) => {
        const lock = db().name === 'sqlite' ? {} : { lock: { mode: 'pessimistic_write' as const } }
        const found = await manager.findOneOrFail(Author, { where: { name: 'Ada' }, ...lock })
        expect(found.secret).toBe('secret of Ada')
      })
      const found = await dataSource
        .createQueryBuilder(Author, 'a')
        .where((query) => {
          const first = query.subQuery().select('MIN(b.id)').from(Author, 'b').getQuery()
          return `a.id = ${first}`
        })
        .getMany()
      expect(secrets(found)).toEqual(['secret of Ada'])
    })
  })

  it('finds plaintext with an entity on a query runner of its own', async () => {
    await cold(async ({ dataSource }) => {
      const queryRunner = dataSource.createQueryRunner('slave')
      try {
        const found = await queryRunner.manager.findOneByOrFail(Author, { name: 'Bob' })
        expect(found.secret).toBe('secret of Bob')
      } finally {
        await queryRunner.release()
      }
    })
  })

  it('creates, merges and preloads entities with plaintext', async () => {
    const author = authors.create({ name: 'Dan', secret: 'created' })
    expect(author).toMatchObject({ name: 'Dan', secret: 'created' })
    expect(authors.merge(author, { secret: 'merged' }, { hidden: 'too' })).toBe(author)
    expect(author).toMatchObject({ secret: 'merged', hidden: 'too' })
    await cold(async ({ dataSource }) => {
      const preloaded = await dataSource.getRepository(Author).preload({ id: 2, name: 'Bobby' })
      expect(preloaded).toMatchObject({ name: 'Bobby', secret: 'secret of Bob' })
      const changed = await dataSource.getRepository(Author).preload({ id: 2, secret: 'new' })
      expect(changed).toMatchObject({ name: 'Bob', secret: 'new' })
    })
    await expect(authors.preload({ id: 999, secret: 'nobody' })).resolves.toBeUndefined()
  })
})
