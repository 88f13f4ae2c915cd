import { type DataSourceOptions } from 'typeorm'
import { dialectOf } from '../../../dialects'
import { UnsupportedDatabaseError } from '../../../errors'
import { type Project } from './project'

/** What has to be known of a project before anything of it is pasted. */
export function remarksOn(project: Project): string[] {
  const { typeorm, hasWorkspaces, otherDataSources, sources } = project
  if (typeorm === undefined) {
    return [
      hasWorkspaces
        ? 'this is a project of several: name the folder of the application, as in typeorm-kms init packages/api.'
        : 'TypeORM is neither in package.json nor installed, and this library is for nothing else: name the folder of the application, or install it.',
    ]
  }
  return [
    ...unsupported(project),
    ...otherDataSources.map((path) => `${path} makes a DataSource as well: for that one, say -d ${path}.`),
    ...(sources.length === 0
      ? [
          'there is no file of TypeScript. Columns of an EntitySchema are declared by kmsEncryptedColumn(); -d FILE names the file with the DataSource.',
        ]
      : []),
  ]
}

function unsupported({ database }: Project): string[] {
  if (database === undefined) return []
  try {
    dialectOf({ type: database as DataSourceOptions['type'] })
    return []
  } catch (error) {
    if (error instanceof UnsupportedDatabaseError) return [error.reason]
    throw error
  }
}
