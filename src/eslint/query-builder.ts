import { type CallExpression, type Node } from 'estree'
import type ts from 'typescript'
import { type EncryptedProperty, encryptedProperty } from './encrypted-property'
import { textOf } from './text'
import { type Typed } from './typed'

/** The entity of a query builder of which a condition is added; `undefined` for calls of another kind. */
export function entityOf(call: CallExpression, { checker, nodeOf }: Typed): ts.Type | undefined {
  const { callee } = call
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return undefined
  if (!/^(and|or)?where$/i.test(callee.property.name)) return undefined
  const type = checker.getTypeAtLocation(nodeOf(callee.object))
  return checker.getTypeArguments(type as ts.TypeReference)[0]
}

/**
 * The encrypted properties that a condition written as text compares: `where('user.pin = :pin')` of a query builder whose
 * `createQueryBuilder('user')` stands in the same chain. A test for NULL compares nothing.
 */
export function conditionText(call: CallExpression, types: Typed): EncryptedProperty[] {
  const [first] = call.arguments
  const text = first && textOf(first)
  const alias = aliasOf(call)
  const entity = entityOf(call, types)
  if (text === undefined || alias === undefined || !entity) return []
  const names = Array.from(text.matchAll(NAME), ([, of, name]) => (of === alias ? name : undefined))
  return [...new Set(names)].flatMap((name) => {
    const symbol = name === undefined ? undefined : entity.getProperty(name)
    return encryptedProperty(symbol, types.checker) ?? []
  })
}

/** `user.pin`, and not `user.pin IS NULL`. */
const NAME = /(?<![\w.:])(\w+)\.(\w+)\b(?!\s+IS\s+(?:NOT\s+)?NULL)/gi

/** The name of the entity in the query. */
function aliasOf(node: Node): string | undefined {
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return undefined
  const { property, object } = node.callee
  const name = property.type === 'Identifier' ? property.name : ''
  if (!/^(createQueryBuilder|from)$/.test(name)) return aliasOf(object)
  const last = node.arguments.at(-1)
  return last && textOf(last)
}
