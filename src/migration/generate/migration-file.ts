import { type Step } from './steps'

const HELPERS = ['decryptColumns', 'encryptColumns', 'rotateColumns']

/** The text of a migration for TypeORM. */
export function migrationFile(className: string, up: readonly Step[], down: readonly Step[]): string {
  const code = [...up, ...down].flatMap((step) => ('code' in step ? [step.code] : []))
  const used = HELPERS.filter((name) => code.some((line) => line.includes(`${name}(`)))
  const typeorm = ['type MigrationInterface', 'type QueryRunner']
  if (code.some((line) => line.includes('new TableColumn'))) typeorm.push('TableColumn')
  const imports = [`import { ${typeorm.join(', ')} } from 'typeorm'`]
  if (used.length > 0) imports.push(`import { ${used.join(', ')} } from 'typeorm-kms-encrypted/migration'`)
  return [
    ...imports,
    '',
    `export class ${className} implements MigrationInterface {`,
    `  name = '${className}'`,
    '',
    '  async up(queryRunner: QueryRunner): Promise<void> {',
    ...up.map(line),
    '  }',
    '',
    '  async down(queryRunner: QueryRunner): Promise<void> {',
    ...down.map(line),
    '  }',
    '}',
    '',
  ].join('\n')
}

function line(step: Step): string {
  if ('comment' in step) return `    // ${step.comment}`
  if ('code' in step) return `    ${step.code}`
  return `    await queryRunner.query(${literal(step.sql)})`
}

/** With the quotes that need no escaping, as a person would choose them. */
function literal(sql: string): string {
  if (!sql.includes("'") && !sql.includes('\\')) return `'${sql}'`
  if (!sql.includes('"') && !sql.includes('\\')) return `"${sql}"`
  return `\`${sql.replace(/[\\`]|\$\{/g, '\\$&')}\``
}
