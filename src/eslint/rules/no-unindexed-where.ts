import { type Rule } from 'eslint'
import { type CallExpression, type Node, type ObjectExpression, type Property } from 'estree'
import { encryptedProperty } from '../encrypted-property'
import { type Typed, typed } from '../typed'

/** Methods whose first argument is a condition. */
const BY_FIRST =
  /^(findBy|findOneBy|findOneByOrFail|findAndCountBy|countBy|existsBy|exists|where|andWhere|orWhere|update|delete|softDelete|restore|increment|decrement)$/
/** Options that make a blind index. */
const INDEXED = ['search', 'unique']

/** Finds a condition on an encrypted property that has no blind index: it is refused when it runs. */
export const noUnindexedWhere: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow conditions on encrypted properties that have no blind index' },
    messages: {
      condition:
        '{{name}} is encrypted and has no blind index, so it cannot be searched: equal values have different ciphertexts. Declare it with search: true, or load the rows by another property and compare in the application.',
    },
    schema: [],
  },
  create(context) {
    const types = typed(context)
    const check = (node: Node | undefined): void => {
      for (const property of unindexed(node, types)) {
        context.report({ node: property.node, messageId: 'condition', data: { name: property.name } })
      }
    }
    return {
      'Property[key.name="where"]'(property: Property) {
        check(property.value)
      },
      CallExpression(call) {
        if (BY_FIRST.test(methodOf(call)))
          for (const argument of call.arguments.slice(0, 2)) check(conditionOf(call, argument))
      },
    }
  },
}

/** EntityManager takes the entity first, a repository does not. */
function conditionOf(call: CallExpression, argument: Node): Node | undefined {
  const [first] = call.arguments
  if (argument === first) return argument
  return first?.type === 'ObjectExpression' || first?.type === 'ArrayExpression' ? undefined : argument
}

function methodOf({ callee }: CallExpression): string {
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier'
    ? callee.property.name
    : ''
}

/** The encrypted properties without an index in a condition: in lists of alternatives and in related entities, too. */
function unindexed(node: Node | undefined, types: Typed): { node: Node; name: string }[] {
  if (node?.type === 'ArrayExpression')
    return node.elements.flatMap((each) => unindexed(each ?? undefined, types))
  if (node?.type !== 'ObjectExpression') return []
  return node.properties.flatMap((property) => {
    if (property.type !== 'Property' || property.computed) return []
    const found = encryptedProperty(propertyOf(node, property, types), types.checker)
    if (!found) return unindexed(property.value, types)
    if (isNullTest(property.value) || INDEXED.some((option) => found.options.has(option))) return []
    return [{ node: property, name: `${found.entity}.${found.property}` }]
  })
}

/** NULL is not encrypted, so `IsNull()` and `Not(IsNull())` work on every column. */
function isNullTest(node: Node): boolean {
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier') return false
  const [argument] = node.arguments
  return (
    node.callee.name === 'IsNull' ||
    (node.callee.name === 'Not' && argument !== undefined && isNullTest(argument))
  )
}

/** The property of the entity that a property of the condition stands for: conditions are mapped types over entities. */
function propertyOf(object: ObjectExpression, { key }: Property, { checker, nodeOf }: Typed) {
  const name = key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : ''
  const type = checker.getContextualType(nodeOf(object) as Parameters<typeof checker.getContextualType>[0])
  if (!type) return undefined
  const types = type.isUnion() ? type.types : [type]
  return types.map((each) => each.getProperty(name)).find((symbol) => symbol !== undefined)
}
