const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      },
      module: { type: 'commonjs' },
    },
  ],
}

const self = {
  '^typeorm-kms-encrypted$': '<rootDir>/src/index.ts',
  '^typeorm-kms-encrypted/local-kms$': '<rootDir>/src/local-kms/index.ts',
}

const project = (displayName, testMatch, moduleNameMapper = {}) => ({
  displayName,
  testMatch,
  transform,
  testEnvironment: 'node',
  moduleNameMapper: { ...self, ...moduleNameMapper },
})

/** The integration tests run once per TypeORM major; the databases are a matrix inside each file. */
module.exports = {
  projects: [
    project('unit', ['<rootDir>/test/unit/**/*.test.ts']),
    project('typeorm-1', ['<rootDir>/test/integration/**/*.test.ts']),
    project('typeorm-0.3', ['<rootDir>/test/integration/**/*.test.ts'], {
      '^typeorm$': '<rootDir>/node_modules/typeorm-0.3',
    }),
  ],
}
