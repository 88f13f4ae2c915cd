const { availableParallelism } = require('node:os')
const { entries } = require('./test/support/entries.cjs')
const { swc } = require('./test/support/swc.cjs')

// The AWS SDK would print its notice about later Node versions once for every test file.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'

const transform = { '^.+\\.ts$': ['@swc/jest', swc] }

const self = Object.fromEntries(
  Object.entries(entries).map(([name, source]) => [`^${name}$`, `<rootDir>/${source}`]),
)

const project = (displayName, testMatch, options = {}) => ({
  displayName,
  testMatch,
  transform,
  testEnvironment: '<rootDir>/test/support/environment.cjs',
  moduleNameMapper: self,
  ...options,
})

/** Jest calls a global set-up that several projects share once, and only if one of them has tests to run. */
const servers = {
  globalSetup: '<rootDir>/test/support/servers/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/servers/global-teardown.ts',
}

/**
 * What does not depend on TypeORM's major: how KMS is waited for, and passes over tables, which send statements of their
 * own; and what takes long. One major is enough, unless `TEST_BOTH_MAJORS` is set. That they work on the other at all is what
 * migration/round-trip and maintenance, kms-calls, concurrency and failures/marker test on both.
 */
const onOneMajor = [
  'cli/',
  'blind-index/(collation|compound|fill|keyed|known-answers|migrations|plans|twin|values)',
  'failures/(forged-rows|key-state|outage|pool|region-outage|service-trouble|throttling)',
  'migration/(bad-input|counted-together|data-key-proof|expand-and-contract|foreign-formats|generate-cases|keys|lost-connection|newer-release|no-downtime|previous-settings|race|volume)',
  'stored-keys/(deletion-guard|forged|forgetting|killed|lease|life|python|random-transactions|restore|rotation|tenants|trouble)',
  '(faults|model|performance-counts|servers|steady-state|upgrades|row-binding/(attacker|embedded|mending|migration|refusals|tenants))',
].map((path) => `/test/integration/${path}`)

const integration = (typeormMajor, moduleNameMapper = {}) =>
  project(`typeorm-${typeormMajor}`, ['<rootDir>/test/integration/**/*.test.ts'], {
    moduleNameMapper: { ...self, ...moduleNameMapper },
    globals: { typeormMajor },
    ...(typeormMajor === '0.3' && !process.env.TEST_BOTH_MAJORS && { testPathIgnorePatterns: onOneMajor }),
    ...servers,
    setupFilesAfterEnv: ['<rootDir>/test/support/integration-setup.ts'],
  })

/** The unit tests start no server and no program of this project, and take seconds. The integration tests run once per TypeORM major; the databases are a matrix inside each file. */
module.exports = {
  // Against tests that never end: no machine that is merely busy is to fail one.
  testTimeout: 300_000,
  // Two more than there are cores: half of a test's time is spent waiting for a database or another process.
  maxWorkers: Math.min(availableParallelism() + 2, 8),
  coverageProvider: 'v8',
  coverageReporters: ['text-summary', 'html'],
  collectCoverageFrom: ['src/**/*.ts'],
  projects: [
    project('unit', ['<rootDir>/test/unit/**/*.test.ts']),
    project('processes', ['<rootDir>/test/processes/**/*.test.ts']),
    project('package', ['<rootDir>/test/package/**/*.test.ts']),
    integration('1'),
    integration('0.3', {
      '^typeorm$': '<rootDir>/node_modules/typeorm-0.3',
      '^typeorm/(.*)$': '<rootDir>/node_modules/typeorm-0.3/$1',
    }),
    project('sample', ['<rootDir>/test/sample/**/*.test.ts'], servers),
  ],
}
