// `npm run test:places`: the integration tests on sql.js and PGlite, for each major of TypeORM. Options go to Jest.
import { spawnSync } from 'node:child_process'

const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--forceExit']
const projects = ['--selectProjects', 'typeorm-1', 'typeorm-0.3', '--maxWorkers=1']
const failed = ['sqljs', 'pglite'].filter((database) => {
  const env = { ...process.env, TEST_DATABASES: database }
  const args = [...jest, ...projects, ...process.argv.slice(2)]
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status !== 0
})
if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`)
process.exit(failed.length)
