// `npm run test:places`: the integration tests on sql.js and PGlite, for each major of TypeORM. Options go to Jest,
// in the place of those that name all tests.
import { spawnSync } from 'node:child_process'

const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--forceExit']
const projects = ['--selectProjects', 'typeorm-1', 'typeorm-0.3', 'processes', '--maxWorkers=1']
// Of the processes those of the places.
const paths = ['--testPathPatterns', 'test/integration', 'test/processes/places']
const failed = ['sqljs', 'pglite'].filter((database) => {
  const env = { ...process.env, TEST_DATABASES: database }
  const args = [...jest, ...projects, ...(process.argv.length > 2 ? process.argv.slice(2) : paths)]
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status !== 0
})
if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`)
process.exit(failed.length)
