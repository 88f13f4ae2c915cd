import { type Rule } from 'eslint'
import { type CallExpression, type Node, type ObjectExpression, type Property } from 'estree'
import type ts from 'typescript'
import { encryptedProperty } from '../encrypted-property'
import { conditionText, entityOf } from '../query-builder'
import { type Typed, typed } from '../typed'

/** Methods whose first argument is a condition. */
const BY_FIRST =
  /^(findBy|findOneBy|findOneByOrFail|findAndCountBy|countBy|existsBy|exists|where|andWhere|orWhere|update|delete|softDelete|restore|increment|decrement)$/
/** Finds a condition on an encrypted property that has no blind index: it is refused when it runs. */
export const noUnindexedWhere: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow conditions on encrypted properties that have no blind index' },
    messages: {
      condition:
        '{{name}} is encrypted and has no blind index, so it cannot be searched: equal values have different ciphertexts. Declare it with search: true, or load the rows by another property and compare in the application.',
      named:
        "{{name}} is searched by its named indexes only: Indexed('…', …). Add true to the list of search to find rows by the value itself.",
      filling:
        'The blind index of {{name}} is being filled (filling: true), and answers no search yet: the condition is refused when it runs.',
    },
    schema: [],
  },
  create(context) {
    const types = typed(context)
    const check = (node: Node | undefined, entity?: ts.Type): void => {
      for (const { node: at, name, messageId } of unindexed(node, types, entity)) {
        context.report({ node: at, messageId, data: { name } })
      }
    }
    return {
      'Property[key.name="where"]'(property: Property) {
        check(property.value)
      },
      CallExpression(call) {
        if (!BY_FIRST.test(methodOf(call))) return
        for (const argument of call.arguments.slice(0, 2)) {
          check(
            conditionOf(call, argument),
            argument === call.arguments[0] ? entityOf(call, types) : undefined,
          )
        }
        for (const { entity, property, answers } of conditionText(call, types)) {
          if (answers !== 'none' && answers !== 'filling') continue
          const messageId = answers === 'none' ? 'condition' : answers
          context.report({ node: call, messageId, data: { name: `${entity}.${property}` } })
        }
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

/** What in a condition no index answers: in lists of alternatives and in related entities, too. */
function unindexed(node: Node | undefined, types: Typed, entity?: ts.Type): Unindexed[] {
  if (node?.type === 'ArrayExpression')
    return node.elements.flatMap((each) => unindexed(each ?? undefined, types, entity))
  if (node?.type !== 'ObjectExpression') return []
  return node.properties.flatMap((property) => {
    if (property.type !== 'Property' || property.computed) return []
    const symbol = propertyOf(node, property, types, entity)
    const found = encryptedProperty(symbol, types.checker)
    if (!found) {
      const related = entity && symbol && types.checker.getTypeOfSymbol(symbol)
      return unindexed(property.value, types, related)
    }
    const { answers } = found
    if (answers === 'value' || isNullTest(property.value)) return []
    if (answers === 'named' && isIndexed(property.value)) return []
    const name = `${found.entity}.${found.property}`
    return [{ node: property, name, messageId: answers === 'none' ? 'condition' : answers }]
  })
}

interface Unindexed {
  readonly node: Node
  readonly name: string
  readonly messageId: 'condition' | 'named' | 'filling'
}

/** `Indexed('last4', '4242')`, and whatever else is not the value itself. */
function isIndexed(node: Node): boolean {
  if (node.type !== 'CallExpression') return node.type !== 'Literal' && node.type !== 'TemplateLiteral'
  if (node.callee.type !== 'Identifier') return true
  const { name } = node.callee
  const [argument] = node.arguments
  if (name === 'Not') return argument !== undefined && isIndexed(argument)
  return !['Equal', 'In', 'Any', 'Or', 'And'].includes(name)
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

/**
 * The property of the entity that a property of the condition stands for: conditions are mapped types over entities. Those
 * of query builders are not, so their entity is given.
 */
function propertyOf(
  object: ObjectExpression,
  { key }: Property,
  { checker, nodeOf }: Typed,
  entity: ts.Type | undefined,
) {
  const name = key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : ''
  const type =
    entity ?? checker.getContextualType(nodeOf(object) as Parameters<typeof checker.getContextualType>[0])
  if (!type) return undefined
  const types = type.isUnion() ? type.types : [type]
  return types.map((each) => each.getProperty(name)).find((symbol) => symbol !== undefined)
}
