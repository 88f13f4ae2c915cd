export type DatabaseName = 'mariadb' | 'postgres' | 'sqlite'

export const databaseNames: readonly DatabaseName[] = ['mariadb', 'postgres', 'sqlite']

/** The databases to test: all, or those that `TEST_DATABASES=mariadb,sqlite` names. */
export function selectedDatabases(): readonly DatabaseName[] {
  const wanted = (process.env['TEST_DATABASES'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  const unknown = wanted.filter((name) => !databaseNames.some((known) => known === name))
  if (unknown.length > 0) {
    throw new Error(`TEST_DATABASES names ${unknown.join(', ')}; known are ${databaseNames.join(', ')}`)
  }
  return wanted.length === 0 ? databaseNames : databaseNames.filter((name) => wanted.includes(name))
}
