import { type QueryRunner } from 'typeorm'

/** Settings of a session by name, as text. */
export type Settings = Readonly<Record<string, string>>

/** How a database reads and changes the settings of a session. */
export interface SessionSql {
  /** A statement that selects the settings, each under its name. */
  read(names: readonly string[]): string
  set(name: string, value: string): string
}

/** Changes settings of a session, and returns what puts them back as they were. */
export async function changeSettings(
  queryRunner: QueryRunner,
  sql: SessionSql,
  settings: Settings,
): Promise<() => Promise<void>> {
  const names = Object.keys(settings)
  if (names.length === 0) return () => Promise.resolve()
  const [before] = (await queryRunner.query(sql.read(names))) as Settings[]
  const change = async (to: Settings): Promise<void> => {
    for (const [name, value] of Object.entries(to)) await queryRunner.query(sql.set(name, value))
  }
  await change(settings)
  return () => change(before ?? {}).catch(() => undefined)
}
