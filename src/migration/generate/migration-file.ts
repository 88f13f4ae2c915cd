import { type Step } from '../../dialects/steps'

const HELPERS = ['decryptColumns', 'encryptColumns', 'isBinaryColumn', 'rebuildTables', 'rotateColumns']

/** The text of a migration for TypeORM. */
export function migrationFile(className: string, up: readonly Step[], down: readonly Step[]): string {
  const code = [...up, ...down].flatMap(codeOf)
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
    ...up.flatMap((step) => lines(step)),
    '  }',
    '',
    '  async down(queryRunner: QueryRunner): Promise<void> {',
    ...down.flatMap((step) => lines(step)),
    '  }',
    '}',
    '',
  ].join('\n')
}

function codeOf(step: Step): string[] {
  if ('unless' in step) return [step.unless, ...step.steps.flatMap(codeOf)]
  if ('within' in step) return [step.within, ...step.steps.flatMap(codeOf)]
  return 'code' in step ? [step.code] : []
}

function lines(step: Step, indent = '    '): string[] {
  if ('unless' in step || 'within' in step) {
    const inner = step.steps.flatMap((one) => lines(one, `${indent}  `))
    if ('within' in step) return [indent + step.within, ...inner, `${indent}})`]
    return [`${indent}if (!(${step.unless})) {`, ...inner, `${indent}}`]
  }
  if ('comment' in step) return [`${indent}// ${step.comment}`]
  return [indent + ('code' in step ? step.code : `await queryRunner.query(${literal(step.sql)})`)]
}

/** With the quotes that need no escaping, as a person would choose them. */
function literal(sql: string): string {
  const isPlain = !/[\\\r\n]/.test(sql)
  if (isPlain && !sql.includes("'")) return `'${sql}'`
  if (isPlain && !sql.includes('"')) return `"${sql}"`
  return `\`${sql.replace(/[\\`]|\$\{/g, '\\$&').replaceAll('\r', '\\r')}\``
}
