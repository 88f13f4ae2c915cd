import { Column, DataSource, type DataSourceOptions, Entity, PrimaryColumn, type Repository } from 'typeorm'
import { type KMSClient } from '@aws-sdk/client-kms'
import { KmsEncrypted, kmsEncryption, type KmsEncryption } from 'typeorm-kms-encrypted'
import { encryptColumns, verifyColumns, type VerifyResult } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, type TestDatabase } from '../../support/databases'
import { failure, KEY, testKms } from '../../support/encryption'

interface Person {
  id: number
  salary: number | null
  active: boolean | null
  seen: Date | null
  data: unknown
}

const PROPERTIES = ['salary', 'active', 'seen', 'data'] as const

/** The versions of the application, with the types of the database. */
function versionsOn({ name }: TestDatabase) {
  const time = { mariadb: 'datetime', postgres: 'timestamptz', sqlite: 'datetime' } as const
  const json = name === 'sqlite' ? 'simple-json' : 'json'
  const seen = { precision: name === 'sqlite' ? undefined : 3, nullable: true } as const

  @Entity('person')
  class Before implements Person {
    @PrimaryColumn('int') id!: number
    @Column('int', { nullable: true }) salary!: number | null
    @Column('boolean', { nullable: true }) active!: boolean | null
    @Column({ ...seen, type: time[name] }) seen!: Date | null
    @Column(json, { nullable: true }) data!: unknown
  }

  @Entity('person')
  class Expanded implements Person {
    @PrimaryColumn('int') id!: number
    @Column('int', { nullable: true }) salary!: number | null
    @Column('boolean', { nullable: true }) active!: boolean | null
    @Column({ ...seen, type: time[name] }) seen!: Date | null
    @Column(json, { nullable: true }) data!: unknown
    @KmsEncrypted({ type: 'number', name: 'salary_new', nullable: true, mirrorOf: 'salary' })
    salaryNew?: number | null
    @KmsEncrypted({ type: 'boolean', name: 'active_new', nullable: true, mirrorOf: 'active' })
    activeNew?: boolean | null
    @KmsEncrypted({ type: 'date', name: 'seen_new', nullable: true, mirrorOf: 'seen' })
    seenNew?: Date | null
    @KmsEncrypted({ type: 'json', name: 'data_new', nullable: true, mirrorOf: 'data' })
    dataNew?: unknown
  }

  @Entity('person')
  class Switched implements Person {
    @PrimaryColumn('int') id!: number
    @KmsEncrypted({ type: 'number', name: 'salary_new', nullable: true, mirrorTo: 'salaryOld' })
    salary!: number | null
    @KmsEncrypted({ type: 'boolean', name: 'active_new', nullable: true, mirrorTo: 'activeOld' })
    active!: boolean | null
    @KmsEncrypted({ type: 'date', name: 'seen_new', nullable: true, mirrorTo: 'seenOld' })
    seen!: Date | null
    @KmsEncrypted({ type: 'json', name: 'data_new', nullable: true, mirrorTo: 'dataOld' }) data!: unknown
    @Column('int', { name: 'salary', nullable: true }) salaryOld?: number | null
    @Column('boolean', { name: 'active', nullable: true }) activeOld?: boolean | null
    @Column({ ...seen, type: time[name], name: 'seen' }) seenOld?: Date | null
    @Column(json, { name: 'data', nullable: true }) dataOld?: unknown
  }

  @Entity('person')
  class Contracted implements Person {
    @PrimaryColumn('int') id!: number
    @KmsEncrypted({ type: 'number', name: 'salary_new', nullable: true }) salary!: number | null
    @KmsEncrypted({ type: 'boolean', name: 'active_new', nullable: true }) active!: boolean | null
    @KmsEncrypted({ type: 'date', name: 'seen_new', nullable: true }) seen!: Date | null
    @KmsEncrypted({ type: 'json', name: 'data_new', nullable: true }) data!: unknown
  }
  return { Before, Expanded, Switched, Contracted }
}

const NEW = ['salaryNew', 'activeNew', 'seenNew', 'dataNew'] as const

describeDatabases('Columns that are replaced by encrypted ones, without downtime', (db) => {
  let versions: ReturnType<typeof versionsOn>
  let client: KMSClient
  const running: { dataSource: DataSource; encryption: KmsEncryption }[] = []
  /** What each row holds, by what was written last. */
  const expected = new Map<number, Person>()
  let writes = 0

  beforeAll(async () => {
    versions = versionsOn(db())
    client = (await testKms()).client
  })

  afterEach(async () => {
    for (const { dataSource, encryption } of running.splice(0)) {
      if (dataSource.isInitialized) await dataSource.destroy()
      encryption.close()
    }
    expected.clear()
  })

  const deploy = async (version: keyof typeof versions, options: Partial<DataSourceOptions> = {}) => {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const merged = { ...db().options, ...options, entities: [versions[version]] } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(merged)).initialize()
    running.push({ dataSource, encryption })
    return dataSource.getRepository<Person>(versions[version])
  }

  const sourceOf = ({ target }: Repository<Person>): DataSource =>
    running.find(({ dataSource }) => dataSource.isInitialized && dataSource.hasMetadata(target))!.dataSource

  const next = (id: number): Person => {
    const n = ++writes
    const isNull = n % 5 === 0
    const person = {
      id,
      salary: isNull ? null : -n,
      active: isNull ? null : n % 2 === 0,
      seen: isNull ? null : new Date(1_700_000_000_123 + n),
      data: isNull ? null : { n, text: 'é"%' },
    }
    expected.set(id, person)
    return person
  }

  /** Each path that writes, with the values of one row. */
  const paths: ((repository: Repository<Person>, id: number) => Promise<unknown>)[] = [
    (repository, id) => repository.save(next(id)),
    async (repository, id) => {
      const person = await repository.findOneByOrFail({ id })
      return repository.save(Object.assign(person, next(id)))
    },
    (repository, id) => {
      const { salary, ...others } = next(id)
      return repository.update(id, { salary, ...others } as never)
    },
    (repository, id) => repository.upsert(next(id) as never, ['id']),
    (repository, id) =>
      repository
        .createQueryBuilder()
        .update()
        .set(next(id) as never)
        .where({ id })
        .execute(),
    (repository, id) => {
      // One property alone: the others stay.
      const before = expected.get(id)!
      const { salary } = next(id)
      expected.set(id, { ...before, salary })
      return repository.update({ id }, { salary })
    },
  ]

  /** Every instance writes on every path, and every other reads what it wrote. */
  const work = async (...instances: Repository<Person>[]) => {
    for (const [at, writer] of instances.entries()) {
      await writer.insert(next(100 + ++writes) as never)
      for (const [path, write] of paths.entries()) {
        const id = (path + at) % 4
        await write(writer, id)
        for (const reader of instances) {
          expect(await reader.findOneBy({ id })).toEqual(expected.get(id))
        }
      }
    }
    for (const reader of instances) {
      const all = await reader.find()
      expect(new Map(all.map((person) => [person.id, { ...person }]))).toEqual(expected)
      // What is unchanged is not written.
      const { encrypted } = running.at(-1)!.encryption.metrics().values
      await reader.save(all)
      expect(running.at(-1)!.encryption.metrics().values.encrypted).toBe(encrypted)
    }
  }

  const run = async (make: (quoted: string, type: string) => string) => {
    const type = db().name === 'postgres' ? 'bytea' : 'blob'
    for (const name of PROPERTIES) await db().rawQuery(make(name, type))
  }

  const end = async (repository: Repository<Person>) => {
    await sourceOf(repository).destroy()
  }

  test('by both being written, a backfill that may be ended, a switch and a drop', async () => {
    const before = await deploy('Before', { synchronize: true, dropSchema: true })
    await before.insert([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(next) as never)
    // 1. The new columns.
    await run((name, type) => `ALTER TABLE person ADD COLUMN ${name}_new ${type} NULL`)
    await work(before)
    // 2. Deploy what writes both and reads the old ones.
    const expanded = await deploy('Expanded')
    await work(before, expanded)
    // Old instances leave the new columns as they were.
    for (const id of [4, 5, 6]) {
      await expanded.save(next(id))
      await before.save(next(id))
    }
    await end(before)
    // 3. What old instances wrote has left the new columns as they were: they are emptied once, and filled.
    await db().rawQuery(`UPDATE person SET ${PROPERTIES.map((name) => `${name}_new = NULL`).join(', ')}`)
    await work(expanded)
    const dataSource = sourceOf(expanded)
    const stop = new AbortController()
    const ended = await failure(
      encryptColumns(dataSource, versions.Expanded, NEW, {
        batchSize: 2,
        signal: stop.signal,
        onProgress: () => {
          stop.abort()
        },
      }),
    )
    expect(ended.code).toBe('INTERRUPTED')
    await work(expanded)
    const [tried] = await encryptColumns(dataSource, versions.Expanded, NEW, { dryRun: true, batchSize: 2 })
    expect(tried!.changed).toBe(tried!.total)
    const [filled] = await encryptColumns(dataSource, versions.Expanded, NEW, { batchSize: 2 })
    expect(filled!.changed).toBe(tried!.total)
    expect(filled!.changed).toBeGreaterThan(0)
    for (const { changed } of await encryptColumns(dataSource, versions.Expanded, NEW))
      expect(changed).toBe(0)
    for (const { failed, rows, mirror } of await verifyColumns(dataSource, versions.Expanded, NEW)) {
      expect(failed).toBe(0)
      expect(mirror).toMatchObject({ compared: rows, differing: 0, notFilled: 0 })
    }
    // 4. Deploy what writes both and reads the new ones.
    const switched = await deploy('Switched')
    await work(expanded, switched)
    await end(expanded)
    await work(switched)
    for (const { mirror } of await verifyColumns(sourceOf(switched), versions.Switched, PROPERTIES))
      expect(mirror).toMatchObject({ differing: 0, notFilled: 0 })
    // 5. Deploy what knows the new ones only.
    const contracted = await deploy('Contracted')
    await work(switched, contracted)
    await end(switched)
    // 6. Drop the old ones.
    await run((name) => `ALTER TABLE person DROP COLUMN ${name}`)
    await work(contracted)
    for (const row of await db().rawQuery('SELECT salary_new FROM person WHERE salary_new IS NOT NULL'))
      expect((row['salary_new'] as Buffer)[0]).toBe(0xc1)
  })

  test('a row that the application writes while it is being filled is left to it', async () => {
    const expanded = await deploy('Expanded', { synchronize: true, dropSchema: true })
    await expanded.insert([1, 2, 3].map((id) => ({ ...next(id), salary: id })) as never)
    await db().rawQuery('UPDATE person SET salary_new = NULL')
    const dataSource = sourceOf(expanded)
    // Its statements come just before those of the fill.
    const meanwhile = new Map<unknown, () => Promise<unknown>>([
      [1, () => expanded.update(1, { salary: null })],
      [2, () => expanded.update(2, { salary: 22 })],
    ])
    const create = dataSource.createQueryRunner.bind(dataSource)
    dataSource.createQueryRunner = (mode) => {
      const runner = create(mode)
      const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<never>
      return Object.assign(runner, {
        query: async (sql: string, parameters?: unknown[], ...rest: unknown[]) => {
          const write = sql.startsWith('UPDATE') ? meanwhile.get(parameters?.at(-1)) : undefined
          meanwhile.delete(parameters?.at(-1))
          if (write) {
            dataSource.createQueryRunner = create
            await write()
          }
          return query(sql, parameters, ...rest)
        },
      })
    }
    const [filled] = await encryptColumns(dataSource, versions.Expanded, ['salaryNew'])
    expect(filled).toMatchObject({ total: 3, changed: 1 })
    const switched = await deploy('Switched')
    const rows = await switched.find({ order: { id: 'ASC' } })
    expect(rows.map(({ salary }) => salary)).toEqual([null, 22, 3])
  })

  test('the fill keeps to its rate, leaves out what it is told to, and is for one process', async () => {
    const expanded = await deploy('Expanded', { synchronize: true, dropSchema: true })
    await expanded.insert([1, 2, 3, 4].map((id) => ({ ...next(id), salary: id })) as never)
    await db().rawQuery('UPDATE person SET salary_new = NULL')
    const dataSource = sourceOf(expanded)
    const refused = await failure(
      encryptColumns(dataSource, versions.Expanded, ['salaryNew'], { shard: { index: 1, count: 2 } }),
    )
    expect(refused).toMatchObject({ code: 'INVALID_OPTION', property: 'salaryNew' })
    const [filled] = await encryptColumns(dataSource, versions.Expanded, ['salaryNew'], { maxRate: 8 })
    expect(filled).toMatchObject({ changed: 4, skipped: 0 })
    expect(filled!.elapsed).toBeGreaterThan(400)
    // Only SQLite stores a date that is none.
    if (db().name !== 'sqlite') return
    await db().rawQuery("UPDATE person SET seen = 'never', seen_new = NULL WHERE id = 2")
    await db().rawQuery("UPDATE person SET seen = '2026-01-01 00:00:00', seen_new = NULL WHERE id <> 2")
    expect(await failure(encryptColumns(dataSource, versions.Expanded, ['seenNew']))).toMatchObject({
      kind: 'value',
      primaryKey: { id: 2 },
    })
    for (const dryRun of [true, false]) {
      const options = { skipFailed: true, batchSize: 1, dryRun }
      const [left] = await encryptColumns(dataSource, versions.Expanded, ['seenNew'], options)
      expect(left).toMatchObject({ skipped: 1, failures: [{ primaryKey: { id: 2 } }] })
    }
    const rows = await db().rawQuery('SELECT id FROM person WHERE seen_new IS NULL')
    expect(rows).toEqual([{ id: 2 }])
  })

  test('rows in which the two differ are found, and those that are not filled yet are no fault', async () => {
    const expanded = await deploy('Expanded', { synchronize: true, dropSchema: true })
    await expanded.insert([1, 2, 3, 4, 6, 7].map((id) => ({ ...next(id), salary: id, data: { id } })))
    // What instances do that do not know the new column, and what an attacker does.
    await db().rawQuery('UPDATE person SET salary = 20 WHERE id = 2')
    await db().rawQuery('UPDATE person SET salary = NULL WHERE id = 3')
    await db().rawQuery('UPDATE person SET salary_new = NULL WHERE id = 4')
    await db().rawQuery('UPDATE person SET salary_new = data_new WHERE id = 6')
    const [found, other] = await verifyColumns(sourceOf(expanded), versions.Expanded, [
      'salaryNew',
      'dataNew',
    ])
    expect(found).toMatchObject({
      failed: 1,
      unreadable: [{ primaryKey: { id: '6' } }],
      mirror: { property: 'salary', compared: 4, differing: 2, rows: [{ id: 2 }, { id: 3 }], notFilled: 1 },
    })
    expect(other).toMatchObject({ failed: 0, mirror: { compared: 6, differing: 0, notFilled: 0 } })

    const switched = await deploy('Switched')
    const [back] = await verifyColumns(sourceOf(switched), versions.Switched, ['salary'])
    expect(back!.mirror).toEqual({
      property: 'salaryOld',
      compared: 4,
      // Nothing stands in the column that is read, and something in that of before.
      differing: 2,
      rows: [{ id: 4 }, { id: 2 }],
      notFilled: 1,
    })
    const marking = kmsEncryption({ keyId: KEY, client, onUndecryptable: 'marker' })
    const options = { ...db().options, entities: [versions.Expanded] } as DataSourceOptions
    const dataSource = await new DataSource(marking.configure(options)).initialize()
    running.push({ dataSource, encryption: marking })
    const [marked] = await verifyColumns(dataSource, versions.Expanded, ['salaryNew'], { batchSize: 2 })
    expect(marked!.mirror).toEqual(found!.mirror)
  })

  test('a column that still stores plaintext agrees with the one that it mirrors', async () => {
    @Entity('note')
    class Note {
      @PrimaryColumn('varchar', { length: 20 }) id!: string
      @PrimaryColumn('int') part!: number
      @Column('int', { nullable: true }) count!: number | null
      @KmsEncrypted({
        type: 'number',
        storage: 'text',
        nullable: true,
        acceptPlaintext: true,
        writes: 'plaintext',
        mirrorOf: 'count',
      })
      countNew?: number | null
    }
    const encryption = kmsEncryption({ keyId: KEY, client })
    const options = {
      ...db().options,
      entities: [Note],
      synchronize: true,
      dropSchema: true,
    } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    running.push({ dataSource, encryption })
    await dataSource.getRepository(Note).insert([
      { id: 'a', part: 1, count: 1 },
      { id: 'a', part: 2, count: 2 },
      { id: 'b', part: 1, count: null },
    ])
    await db().rawQuery("UPDATE note SET count = 3 WHERE id = 'a' AND part = 2")
    const [{ mirror, failed }] = (await verifyColumns(dataSource, Note, ['countNew'])) as [VerifyResult]
    expect({ mirror, failed }).toEqual({
      failed: 0,
      mirror: { property: 'count', compared: 2, differing: 1, rows: [{ id: 'a', part: 2 }], notFilled: 0 },
    })
  })

  test('a statement that would write one of them only is refused', async () => {
    const expanded = await deploy('Expanded', { synchronize: true, dropSchema: true })
    await expanded.insert(next(1) as never)
    const refused = [
      () => expanded.increment({ id: 1 }, 'salary', 1),
      () => expanded.update(1, { salary: () => 'salary + 1' }),
      () =>
        expanded
          .createQueryBuilder()
          .insert()
          .values(next(1) as never)
          .orUpdate(['salary'], ['id'])
          .execute(),
    ]
    for (const write of refused) expect(await failure(write())).toMatchObject({ code: 'RAW_SQL_REFUSED' })
  })
})
