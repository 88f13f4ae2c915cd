const { join } = require('node:path')
const { projects } = require('../../jest.config.cjs')

/** The unit tests alone, without those that read documents or start programs: mutants are many. */
module.exports = {
  ...projects.find(({ displayName }) => displayName === 'unit'),
  testPathIgnorePatterns: ['/node_modules/', '/test/unit/(docs|cli|report|local-kms|fuzz|opentelemetry)'],
  testTimeout: 300_000,
  rootDir: join(__dirname, '../..'),
}
