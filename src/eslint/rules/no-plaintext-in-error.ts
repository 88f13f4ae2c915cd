import { type Rule } from 'eslint'
import { type Expression, type Super } from 'estree'
import { plaintextIn } from '../plaintext'
import { typed } from '../typed'

/** Finds an encrypted property in the text of an error: errors are logged and sent to those who report them. */
export const noPlaintextInError: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow encrypted properties in the text of an error' },
    messages: {
      property:
        '{{name}} is encrypted in the database, and errors end in logs, reports and answers. Name the row by its id.',
    },
    schema: [],
  },
  create(context) {
    const types = typed(context)
    return {
      NewExpression({ callee, arguments: values }) {
        if (!/(Error|Exception)$/.test(nameOf(callee))) return
        for (const argument of values) {
          const found = plaintextIn(argument, types, { entities: false })
          if (found) context.report({ node: found.node, messageId: 'property', data: { name: found.name } })
        }
      },
    }
  },
}

function nameOf(node: Expression | Super): string {
  if (node.type === 'Identifier') return node.name
  return node.type === 'MemberExpression' && node.property.type === 'Identifier' ? node.property.name : ''
}
