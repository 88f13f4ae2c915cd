import { type Rule } from 'eslint'
import { type CallExpression, type Expression, type Node, type Super } from 'estree'
import { plaintextIn } from '../plaintext'
import { typed } from '../typed'

const METHODS =
  /^(log|info|warn|error|debug|trace|fatal|verbose|silly|notice|alert|critical|assert|dir|group|table)$/
const LOGGERS = /^(console|logger|log|winston|pino)$|Logger$/

/** Finds an encrypted property, or a whole entity that has one, in a call that logs. */
export const noLoggedPlaintext: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow encrypted properties, and entities that have some, in calls that log' },
    messages: {
      property:
        '{{name}} is encrypted in the database and would stand in the log as plaintext. Log an id instead.',
      entity:
        'This value holds {{name}}, which is encrypted in the database and would stand in the log as plaintext. Log the properties that you need.',
    },
    schema: [
      {
        type: 'object',
        properties: { loggers: { type: 'array', items: { type: 'string' } } },
        additionalProperties: false,
      },
    ],
  },
  create(context) {
    const types = typed(context)
    const [{ loggers = [] } = {}] = context.options as [{ loggers?: string[] }?]
    return {
      CallExpression(call) {
        if (!isLogging(call, loggers)) return
        for (const argument of call.arguments) {
          const found = plaintextIn(argument, types, { entities: true })
          if (found) context.report({ node: found.node, messageId: found.kind, data: { name: found.name } })
        }
      },
    }
  },
}

/** `console.log()`, `this.logger.warn()`, `req.log.info()`. */
function isLogging({ callee }: CallExpression, loggers: readonly string[]): boolean {
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return false
  if (!METHODS.test(callee.property.name)) return false
  const name = lastName(callee.object)
  return name !== undefined && (LOGGERS.test(name) || loggers.includes(name))
}

function lastName(node: Expression | Super | Node): string | undefined {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'MemberExpression') return lastName(node.property)
  // `getLogger().info()`, `new Logger('Users').log()`
  if (node.type === 'CallExpression' || node.type === 'NewExpression') return lastName(node.callee)
  return undefined
}
