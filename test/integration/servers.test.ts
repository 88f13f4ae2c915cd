import { randomBytes } from 'node:crypto'
import {
  Column,
  DataSource,
  Entity,
  PrimaryGeneratedColumn,
  QueryFailedError,
  type DataSourceOptions,
} from 'typeorm'
import { QueryFailedError as DeepQueryFailedError } from 'typeorm/error/QueryFailedError'
import { describeDatabases, NEEDS_SERVER, typeormVersion } from '../support/databases'
import { dump } from '../support/dump'
import { logsFrom } from '../support/logs'
import { formsOfMarker, newMarker } from '../support/markers'
import { relayTo } from '../support/relay'

function noteEntity(binary: 'blob' | 'bytea') {
  @Entity()
  class Note {
    @PrimaryGeneratedColumn() id!: number
    @Column('text') text!: string
    @Column(binary) bytes!: Buffer
  }
  return Note
}

async function withNotes(
  options: DataSourceOptions,
  use: (dataSource: DataSource, note: ReturnType<typeof noteEntity>) => Promise<void>,
): Promise<void> {
  const note = noteEntity(options.type === 'postgres' ? 'bytea' : 'blob')
  const dataSource = new DataSource({ ...options, entities: [note], dropSchema: true, synchronize: true })
  await dataSource.initialize()
  try {
    await use(dataSource, note)
  } finally {
    await dataSource.destroy().catch(() => undefined)
  }
}

declare const typeormMajor: string // set per Jest project

test('the TypeORM under test is the one the Jest project names', () => {
  expect(typeormVersion.startsWith(`${typeormMajor}.`)).toBe(true)
  expect(DeepQueryFailedError).toBe(QueryFailedError)
})

describeDatabases('A test database', (db) => {
  test('keeps binary and 4-byte characters as they are', async () => {
    await withNotes(db().options, async (dataSource, note) => {
      const text = 'smörgås 🔑 \u{10ffff}'
      const bytes = Buffer.concat([Buffer.from([0xc1, 0x01, 0x00, 0xff]), randomBytes(1000)])
      await dataSource.manager.save(note, { text, bytes })

      expect(await dataSource.manager.find(note)).toEqual([{ id: 1, text, bytes }])
      const rows = await db().rawQuery(`SELECT * FROM ${db().quote('note')} WHERE id = ?`, [1])
      expect(rows).toEqual([{ id: 1, text, bytes }])
    })
  })

  test('keeps a value of 10 MB', async () => {
    await withNotes({ ...db().options }, async (dataSource, note) => {
      if (db().name === 'mariadb') await db().rawQuery('ALTER TABLE note MODIFY bytes LONGBLOB NOT NULL')
      const bytes = randomBytes(10 * 2 ** 20)
      await dataSource.manager.insert(note, { text: 'large', bytes })

      const [row] = await db().rawQuery('SELECT bytes FROM note')
      expect(bytes.equals(row!['bytes'] as Buffer)).toBe(true)
    })
  })

  test('shows a marker in its dump, as text and as bytes', async () => {
    await withNotes(db().options, async (dataSource, note) => {
      const [text, bytes, absent] = [newMarker(), newMarker(), newMarker()]
      await dataSource.manager.insert(note, { text, bytes: Buffer.from(bytes) })

      const dumped = await dump(db())
      expect(formsOfMarker(dumped, text)).toContain('text')
      expect(formsOfMarker(dumped, bytes)).toContain('text')
      expect(formsOfMarker(dumped, absent)).toEqual([])
    })
  })

  test('shows a marker in every log of its server, but not one from before', async () => {
    await withNotes(db().options, async (dataSource, note) => {
      const [before, text, bytes] = [newMarker(), newMarker(), newMarker()]
      await dataSource.manager.insert(note, { text: before, bytes: Buffer.from(before) })
      const earlier = logsFrom(db())
      for (const log of earlier) await log.read()

      const logs = logsFrom(db())
      const ofServers = { mariadb: ['general log', 'binary log'], postgres: ['statement log'], sqlite: [] }
      expect(logs.map(({ name }) => name)).toEqual(db().standIn ? [] : ofServers[db().name])
      await dataSource.manager.insert(note, { text, bytes: Buffer.from(bytes) })
      for (const log of logs) {
        const recorded = await log.read()
        expect(formsOfMarker(recorded, text)).toContain('text')
        expect(formsOfMarker(recorded, bytes)).not.toEqual([])
        expect(formsOfMarker(recorded, before)).toEqual([])
      }
    })
  })
})

const servers = { databases: ['mariadb', 'postgres'], without: NEEDS_SERVER } as const

describeDatabases(
  'A relay to a test database',
  (db) => {
    test('records what is sent and what is answered', async () => {
      const { relay, options } = await relayTo(db())
      try {
        await withNotes(options, async (dataSource, note) => {
          const [text, bytes] = [newMarker(), newMarker()]
          await dataSource.manager.insert(note, { text, bytes: Buffer.from(bytes) })
          expect(formsOfMarker(relay.sent(), text)).toContain('text')
          expect(formsOfMarker(relay.sent(), bytes)).not.toEqual([])

          relay.reset()
          expect(relay.bytes()).toHaveLength(0)
          await dataSource.manager.find(note)
          expect(formsOfMarker(relay.sent(), text)).toEqual([])
          expect(formsOfMarker(relay.received(), text)).toContain('text')
          expect(formsOfMarker(relay.bytes(), bytes)).not.toEqual([])
        })
      } finally {
        await relay.close()
      }
    })

    test('loses a statement or only its answer', async () => {
      const { relay, options } = await relayTo(db())
      try {
        await withNotes(options, async (dataSource, note) => {
          const [lost, unanswered] = [newMarker(), newMarker()]
          relay.cutOn(lost, 'before')
          await expect(dataSource.manager.insert(note, { text: lost, bytes: Buffer.of() })).rejects.toThrow()
          relay.cutOn(unanswered, 'after')
          await expect(
            dataSource.manager.insert(note, { text: unanswered, bytes: Buffer.of() }),
          ).rejects.toThrow()

          expect(await dataSource.manager.find(note)).toEqual([
            expect.objectContaining({ text: unanswered }) as unknown,
          ])
        })
      } finally {
        await relay.close()
      }
    })
  },
  servers,
)

test.each([
  ['text', (marker: string) => `…${marker}…`],
  ['utf16', (marker: string) => Buffer.from(marker, 'utf16le')],
  [
    'hex',
    (marker: string) => `Buffer ${[...Buffer.from(marker)].map((byte) => byte.toString(16)).join(' ')}`,
  ],
  ['base64', (marker: string) => Buffer.from(`ab${marker}c`).toString('base64')],
  ['numbers', (marker: string) => JSON.stringify(Buffer.from(marker))],
  ['numbers', (marker: string) => JSON.stringify(Buffer.from(marker), null, 2)],
] as const)('a marker written as %s is recognised', (form, write) => {
  const marker = newMarker()
  expect(formsOfMarker(write(marker), marker)).toEqual([form])
  expect(formsOfMarker(write(newMarker()), marker)).toEqual([])
})
