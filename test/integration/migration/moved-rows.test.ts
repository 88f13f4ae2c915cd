import { Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  decryptColumns,
  encryptColumns,
  rotateColumns,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Moved {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null
}

const ROWS = 20
const BATCH = 5

describeDatabases('a row that others move behind the page that is read', (db) => {
  let app: TestApplication
  let queryRunner: QueryRunner

  beforeEach(async () => {
    app = await startApplication(db(), [Moved])
    queryRunner = app.dataSource.createQueryRunner()
    for (let id = 1; id <= ROWS; id++) {
      await db().rawQuery('INSERT INTO moved VALUES (?, ?)', [id, Buffer.from(`secret ${id}`)])
    }
  })
  afterEach(async () => {
    await queryRunner.release()
    await app.stop()
  })

  /** Whenever the first batch was written, and before the next page is read, others do something: so often. */
  function meanwhile(times: number, work: (time: number) => Promise<unknown>) {
    let time = 0
    let isDue = false
    const now = async (): Promise<void> => {
      if (!isDue) return
      isDue = false
      await work(++time)
    }
    const query = queryRunner.query.bind(queryRunner)
    queryRunner.query = async (...statement: [string]): Promise<never> => {
      await now()
      return (await query(...statement)) as never
    }
    return {
      batchSize: BATCH,
      onProgress: ({ rows }: { rows: number }): void => {
        isDue = rows === BATCH && time < times
        // What reads SQLite's rows waits for nothing, nor does this.
        if (db().name === 'sqlite') void now()
      },
    }
  }

  /** The highest id becomes the lowest. */
  const moveLast = (): Promise<unknown> =>
    db().rawQuery(
      'UPDATE moved SET id = (SELECT l FROM (SELECT MIN(id) - 1 AS l FROM moved) AS x) WHERE id = (SELECT h FROM (SELECT MAX(id) AS h FROM moved) AS y)',
    )

  it('is counted as plaintext where it is empty, too', async () => {
    await db().rawQuery('UPDATE moved SET secret = ? WHERE id = 1', [Buffer.alloc(0)])
    expect(await verifyColumns(queryRunner, Moved, ['secret'])).toMatchObject([{ notCiphertext: ROWS }])
  })

  it('is met when the rows are gone through once more, encrypted, verified and decrypted', async () => {
    await encryptColumns(queryRunner, Moved, ['secret'], meanwhile(1, moveLast))
    expect(await columnStatus(app.dataSource, Moved, 'secret')).toMatchObject({ plaintext: 0, rows: ROWS })
    const [verified] = await verifyColumns(queryRunner, Moved, ['secret'], meanwhile(1, moveLast))
    expect(verified).toMatchObject({ rows: ROWS, total: ROWS, failed: 0, notCiphertext: 0 })
    await decryptColumns(queryRunner, Moved, ['secret'], meanwhile(1, moveLast))
    expect(await columnStatus(app.dataSource, Moved, 'secret')).toMatchObject({ plaintext: ROWS })
  })

  it('is met beside one that is written meanwhile, so that the numbers of rows agree', async () => {
    const another = [Buffer.from('another')]
    await encryptColumns(
      queryRunner,
      Moved,
      ['secret'],
      meanwhile(1, async () => {
        await moveLast()
        await db().rawQuery('INSERT INTO moved VALUES (100, ?)', another)
      }),
    )
    expect(await columnStatus(app.dataSource, Moved, 'secret')).toMatchObject({
      plaintext: 0,
      rows: ROWS + 1,
    })
  })

  it('is an error where others write plaintext again and again', async () => {
    const write = (time: number): Promise<unknown> =>
      db().rawQuery('INSERT INTO moved VALUES (?, ?)', [-time, Buffer.from('another')])
    const error = await failure(encryptColumns(queryRunner, Moved, ['secret'], meanwhile(9, write)))
    expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'Moved', property: 'secret' })
    expect(error.message).toContain('the database counts 1 rows that are not encrypted')
    await encryptColumns(queryRunner, Moved, ['secret'])
    expect(await columnStatus(app.dataSource, Moved, 'secret')).toMatchObject({ plaintext: 0 })
  })

  describe('of a rotation', () => {
    let to: string
    const keys = async (): Promise<unknown> =>
      (await columnStatus(app.dataSource, Moved, 'secret', { keys: [to] })).ciphertext.map(
        ({ keyArn, rows }) => [keyArn, rows],
      )

    beforeEach(async () => {
      await encryptColumns(queryRunner, Moved, ['secret'])
      to = await app.createKey()
    })

    it('is met beside one that is written meanwhile, so that the numbers of rows agree', async () => {
      await rotateColumns(queryRunner, Moved, ['secret'], {
        to,
        ...meanwhile(1, async () => {
          await moveLast()
          await db().rawQuery(
            'INSERT INTO moved SELECT 100, secret FROM moved WHERE id = (SELECT MIN(id) FROM moved)',
          )
        }),
      })
      expect(await keys()).toEqual([[to, ROWS + 1]])
    })

    it('is an error where others write under the former key again and again', async () => {
      const [old] = await db().rawQuery('SELECT secret FROM moved WHERE id = 1')
      const write = (time: number): Promise<unknown> =>
        db().rawQuery('INSERT INTO moved VALUES (?, ?)', [-time, old?.['secret']])
      const error = await failure(
        rotateColumns(queryRunner, Moved, ['secret'], { to, ...meanwhile(9, write) }),
      )
      expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'Moved', property: 'secret' })
      expect(error.message).toContain('the database counts 1 rows that are not rotated: others wrote them')
      await rotateColumns(queryRunner, Moved, ['secret'], { to })
      expect(await keys()).toEqual([[to, ROWS + 3]])
    })

    it('is told from one that failed', async () => {
      await db().rawQuery('UPDATE moved SET secret = ? WHERE id = 2', [Buffer.from('plaintext')])
      const [result] = await rotateColumns(queryRunner, Moved, ['secret'], {
        to,
        skipFailed: true,
        ...meanwhile(1, async () => {
          await moveLast()
          await db().rawQuery(
            'INSERT INTO moved SELECT 100, secret FROM moved WHERE id = (SELECT MIN(id) FROM moved)',
          )
        }),
      })
      expect(result).toMatchObject({ skipped: 1, rows: ROWS + 1 })
      expect(await keys()).toEqual([[to, ROWS]])
    })
  })

  it('is not taken for one that failed, and is no plaintext', async () => {
    await db().rawQuery('UPDATE moved SET secret = ? WHERE id = 1', [Buffer.from('c1010100', 'hex')])
    await encryptColumns(queryRunner, Moved, ['secret'], {
      skipFailed: true,
      ...meanwhile(1, async () => {
        await moveLast()
        await db().rawQuery('INSERT INTO moved VALUES (100, ?)', [Buffer.from('another')])
      }),
    })
    expect(await columnStatus(app.dataSource, Moved, 'secret')).toMatchObject({
      plaintext: 0,
      rows: ROWS + 1,
    })
  })

  it('is counted apart from those that failed', async () => {
    await db().rawQuery('UPDATE moved SET secret = ? WHERE id = 1', [Buffer.from('c1010100', 'hex')])
    await db().rawQuery('UPDATE moved SET secret = ? WHERE id = 2', [Buffer.from('ff', 'hex')])
    const write = (time: number): Promise<unknown> =>
      db().rawQuery('INSERT INTO moved VALUES (?, ?)', [-time, Buffer.from('another')])
    const error = await failure(
      encryptColumns(queryRunner, Moved, ['secret'], { skipFailed: true, ...meanwhile(9, write) }),
    )
    expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT' })
    expect(error.message).toContain(
      'the database counts 2 rows that are not encrypted. 1 of them were met, and 2 rows failed; as to the rest, others wrote them',
    )
  })
})
