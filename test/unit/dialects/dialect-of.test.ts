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

  it('names those that there are, and what MongoDB has of its own', () => {
    const told = (type: string): string => {
      try {
        dialectOf({ type } as DataSourceOptions)
      } catch (error) {
        return String(error)
      }
      return ''
    }
    expect(told('oracle')).toMatch(/mysql, mariadb, postgres, better-sqlite3, sqljs, not on oracle\. Use one/)
    expect(told('mongodb')).toContain('client-side field level encryption')
    expect(told('mongodb')).not.toContain('Use one')
  })
})
