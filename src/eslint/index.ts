import { type ESLint, type Linter } from 'eslint'
import { explicitType } from './rules/explicit-type'
import { noLoggedPlaintext } from './rules/no-logged-plaintext'
import { noPlaintextInError } from './rules/no-plaintext-in-error'
import { noRawSql } from './rules/no-raw-sql'
import { noUnindexedWhere } from './rules/no-unindexed-where'

/**
 * An ESLint plugin that finds encrypted properties where they leave the application as plaintext, and statements that
 * the library refuses when they run. Its rules need typed linting (typescript-eslint).
 *
 * @example
 * ```ts
 * // eslint.config.mjs
 * import { recommended } from 'typeorm-kms-encrypted/eslint'
 * export default [...tseslint.configs.recommendedTypeChecked, recommended]
 * ```
 */
export const plugin: ESLint.Plugin = {
  meta: { name: 'typeorm-kms-encrypted' },
  rules: {
    'explicit-type': explicitType,
    'no-logged-plaintext': noLoggedPlaintext,
    'no-plaintext-in-error': noPlaintextInError,
    'no-raw-sql': noRawSql,
    'no-unindexed-where': noUnindexedWhere,
  },
}

/** All rules as errors, for TypeScript files. */
export const recommended: Linter.Config = {
  name: 'typeorm-kms-encrypted/recommended',
  files: ['**/*.ts', '**/*.mts', '**/*.cts'],
  plugins: { 'kms-encrypted': plugin },
  rules: {
    'kms-encrypted/explicit-type': 'error',
    'kms-encrypted/no-logged-plaintext': 'error',
    'kms-encrypted/no-plaintext-in-error': 'error',
    'kms-encrypted/no-raw-sql': 'error',
    'kms-encrypted/no-unindexed-where': 'error',
  },
}
