const { availableParallelism } = require('node:os')
const { swc } = require('./test/support/swc.cjs')

// The AWS SDK would print its notice about later Node versions once for every test file.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'

const transform = { '^.+\\.ts$': ['@swc/jest', swc] }

const self = {
  '^typeorm-kms-encrypted$': '<rootDir>/src/index.ts',
  '^typeorm-kms-encrypted/local-kms$': '<rootDir>/src/local-kms/index.ts',
  '^typeorm-kms-encrypted/migration$': '<rootDir>/src/migration/index.ts',
  '^typeorm-kms-encrypted/nestjs$': '<rootDir>/src/nestjs/index.ts',
}

const project = (displayName, testMatch, options = {}) => ({
  displayName,
  testMatch,
  transform,
  testEnvironment: 'node',
  moduleNameMapper: self,
  ...options,
})

/** Jest calls a global set-up that several projects share once, and only if one of them has tests to run. */
const servers = {
  globalSetup: '<rootDir>/test/support/servers/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/servers/global-teardown.ts',
}

const integration = (typeormMajor, moduleNameMapper = {}) =>
  project(`typeorm-${typeormMajor}`, ['<rootDir>/test/integration/**/*.test.ts'], {
    moduleNameMapper: { ...self, ...moduleNameMapper },
    globals: { typeormMajor },
    ...servers,
    setupFilesAfterEnv: ['<rootDir>/test/support/integration-setup.ts'],
  })

/** The unit tests start no server and no program of this project, and take seconds. The integration tests run once per TypeORM major; the databases are a matrix inside each file. */
module.exports = {
  maxWorkers: Math.min(Math.max(availableParallelism(), 2), 8),
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
