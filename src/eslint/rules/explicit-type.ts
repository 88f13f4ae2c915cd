import { type Rule } from 'eslint'
import { declaredEncrypted } from '../encrypted-property'
import { typed } from '../typed'

/**
 * Finds `string | null` without `type`: TypeScript emits `Object` for a union, which is taken for JSON, and a text that
 * was stored as JSON is not the text.
 */
export const explicitType: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Require the option type where TypeScript emits no type of the property' },
    messages: {
      type: '{{name}} is a union, for which TypeScript emits no type, and is taken for JSON. Say what it is, for example @KmsEncrypted({ type: {{type}} }).',
    },
    schema: [],
  },
  create(context) {
    const types = typed(context)
    return {
      PropertyDefinition(definition) {
        const node = types.nodeOf(definition)
        const found = declaredEncrypted(node, types.checker)
        if (!found || found.options.has('type')) return
        const type = types.checker.getTypeAtLocation(node)
        // Without strict null checks `string | null` is `string` to TypeScript, and emitted as a union all the same.
        const { typeAnnotation } = definition as unknown as {
          typeAnnotation?: { typeAnnotation: { type: string } }
        }
        if (typeAnnotation?.typeAnnotation.type !== 'TSUnionType') return
        const name = nameOf(types.checker.typeToString(types.checker.getNonNullableType(type)))
        if (!name) return
        context.report({
          node: definition,
          messageId: 'type',
          data: { name: `${found.entity}.${found.property}`, type: `'${name}'` },
        })
      },
    }
  },
}

/** The value type of a TypeScript type that is no JSON. */
function nameOf(type: string): string | undefined {
  const names: Record<string, string> = {
    string: 'string',
    number: 'number',
    bigint: 'bigint',
    boolean: 'boolean',
    Date: 'date',
  }
  if (type.startsWith('Buffer') || type.startsWith('Uint8Array')) return 'buffer'
  return Object.hasOwn(names, type) ? names[type] : /^("[^"]*"( \| )?)+$/.test(type) ? 'string' : undefined
}
