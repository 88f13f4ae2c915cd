/** The sources of what an application imports, for tests that run before anything is built. */
exports.entries = {
  'typeorm-kms-encrypted': 'src/index.ts',
  'typeorm-kms-encrypted/local-kms': 'src/local-kms/index.ts',
  'typeorm-kms-encrypted/formats': 'src/formats/index.ts',
  'typeorm-kms-encrypted/migration': 'src/migration/index.ts',
  'typeorm-kms-encrypted/nestjs': 'src/nestjs/index.ts',
}
