export type DatabaseName = 'mariadb' | 'postgres' | 'sqlite'

export const databaseNames: readonly DatabaseName[] = ['mariadb', 'postgres', 'sqlite']

/** Databases in WebAssembly, which take the place of another in the matrix if `TEST_DATABASES` names them. */
export type StandIn = 'sqljs' | 'pglite'

const STAND_INS: Readonly<Record<StandIn, DatabaseName>> = { sqljs: 'sqlite', pglite: 'postgres' }

/** What `TEST_DATABASES=mariadb,sqljs` names. */
function wanted(): readonly string[] {
  const names = (process.env['TEST_DATABASES'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  const known: readonly string[] = [...databaseNames, ...Object.keys(STAND_INS)]
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new Error(`TEST_DATABASES names ${unknown.join(', ')}; known are ${known.join(', ')}`)
  }
  return names
}

/** What takes the place of a database. */
export function standInFor(name: DatabaseName): StandIn | undefined {
  const names = wanted()
  const found = (Object.keys(STAND_INS) as StandIn[]).find(
    (standIn) => STAND_INS[standIn] === name && names.includes(standIn),
  )
  if (found && names.includes(name))
    throw new Error(`TEST_DATABASES names ${name}, and ${found}, which takes its place: name one of them`)
  return found
}

/** The databases to test: all, or those that `TEST_DATABASES` names or has a stand-in for. */
export function selectedDatabases(): readonly DatabaseName[] {
  const names = wanted()
  if (names.length === 0) return databaseNames
  return databaseNames.filter((name) => names.includes(name) || standInFor(name))
}
