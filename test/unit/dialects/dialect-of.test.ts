import { type DataSourceOptions } from 'typeorm'
import { dialectOf } from '../../../src/dialects'

describe('the dialect of a database', () => {
  it.each([
    ['mysql', 'mysql'],
    ['mariadb', 'mysql'],
    ['postgres', 'postgres'],
    ['better-sqlite3', 'sqlite'],
    ['sqljs', 'sqlite'],
  ] as const)('%s is %s', (type, name) => {
    expect(dialectOf({ type }).name).toBe(name)
  })

  it.each(['aurora-mysql', 'cockroachdb', 'oracle', 'mssql', 'expo', 'mongodb', 'toString'])(
    '%s is refused, and taken for no other',
    (type) => {
      expect(() => dialectOf({ type } as DataSourceOptions)).toThrow(
        expect.objectContaining({ code: 'UNSUPPORTED_DATABASE' }),
      )
    },
  )
})
