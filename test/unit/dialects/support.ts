import { type QueryRunner } from 'typeorm'
import { type RowsLayout } from '../../../src/dialects/column-layout'
import { type Dialect } from '../../../src/dialects/dialect'
import { type KeyColumn } from '../../../src/dialects/rows/key-order'
import { type ChangedColumn } from '../../../src/dialects/steps'

/** A statement as it was sent. */
export interface Sent {
  readonly sql: string
  readonly parameters: unknown[]
}

type Answer = (sql: string, parameters: unknown[]) => unknown

/** A query runner whose statements are answered by the first text that is in them, otherwise with no rows. */
export function sessionWith(
  answers: Readonly<Record<string, unknown>> = {},
  more: Partial<QueryRunner> = {},
): { queryRunner: QueryRunner; sent: Sent[]; statements: () => string[] } {
  const sent: Sent[] = []
  const query = (sql: string, parameters: unknown[] = []): Promise<unknown> => {
    sent.push({ sql, parameters })
    const answer = Object.entries(answers).find(([text]) => sql.includes(text))?.[1] ?? []
    const given: unknown = typeof answer === 'function' ? (answer as Answer)(sql, parameters) : answer
    return given instanceof Error ? Promise.reject(given) : Promise.resolve(given)
  }
  return {
    queryRunner: { isTransactionActive: false, query, ...more } as unknown as QueryRunner,
    sent,
    statements: () => sent.map(({ sql }) => sql),
  }
}

/** An encrypted column `secret` of a table `usr`. */
export function layoutWith(
  dialect: Dialect,
  keys: readonly KeyColumn[],
  more: Partial<RowsLayout> = {},
): RowsLayout {
  return {
    dialect,
    place: { entity: 'User', property: 'secret' },
    storage: 'binary',
    path: 'usr',
    table: 'usr',
    name: 'secret',
    type: 'blob',
    kind: 'binary',
    nullable: true,
    capacity: undefined,
    keys,
    bound: [],
    beside: [],
    ...more,
  }
}

export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** A text column that is to be encrypted. */
export const oldColumn: ChangedColumn['old'] = {
  name: 'secret',
  type: 'varchar',
  fullType: 'varchar(40)',
  kind: 'text',
  nullable: false,
  length: '40',
  default: undefined,
  comment: undefined,
}
