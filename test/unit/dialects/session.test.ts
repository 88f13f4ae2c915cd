import { type QueryRunner } from 'typeorm'
import { changeSettings, type SessionSql } from '../../../src/dialects/session'

const sql: SessionSql = { read: () => 'read', set: (name, value) => `${name} = ${value}` }

/** A session that answers `read` with what it had before, and fails with the error once it is lost. */
function session() {
  const sent: string[] = []
  let lost: Error | undefined
  const query = (statement: string): Promise<unknown> => {
    if (lost) return Promise.reject(lost)
    sent.push(statement)
    return Promise.resolve(statement === 'read' ? [{ timeout: '50' }] : undefined)
  }
  const lose = (error: Error): void => {
    lost = error
  }
  return { sent, lose, queryRunner: { query } as unknown as QueryRunner }
}

describe('Settings of a session', () => {
  it('are put back as they were', async () => {
    const { sent, queryRunner } = session()
    const restore = await changeSettings(queryRunner, sql, { timeout: '10' })
    await restore()
    expect(sent).toEqual(['read', 'timeout = 10', 'timeout = 50'])
  })

  it('go with a connection that is lost: putting them back hides no error of the work before', async () => {
    const { lose, queryRunner } = session()
    const restore = await changeSettings(queryRunner, sql, { timeout: '10' })
    lose(new Error('not sent: the connection is closed'))
    await expect(restore()).resolves.toBeUndefined()
  })
})
