import { type MemberExpression, type Node } from 'estree'
import { encryptedProperties, encryptedProperty } from './encrypted-property'
import { type Typed } from './typed'

/** Where a plaintext stands in an expression. */
export interface Found {
  readonly node: Node
  /** `Entity.property` */
  readonly name: string
  /** The property itself, or a value that has it among its properties. */
  readonly kind: 'property' | 'entity'
}

/**
 * The first encrypted property that becomes part of the value of an expression: itself, in a template, a
 * concatenation, a list, an object, or as an argument of `String()` and `JSON.stringify()`. What another function
 * makes of it (its length, its hash) is that function's.
 */
export function plaintextIn(
  node: Node,
  types: Typed,
  { entities }: { entities: boolean },
): Found | undefined {
  const search = (each: Node | null): Found | undefined =>
    each ? plaintextIn(each, types, { entities }) : undefined
  switch (node.type) {
    case 'TemplateLiteral':
      return first(node.expressions.map((each) => () => search(each)))
    case 'BinaryExpression':
      return node.operator === '+' ? (search(node.left) ?? search(node.right)) : undefined
    case 'LogicalExpression':
      return search(node.left) ?? search(node.right)
    case 'ConditionalExpression':
      return search(node.consequent) ?? search(node.alternate)
    case 'ArrayExpression':
      return first(node.elements.map((each) => () => search(each)))
    case 'ObjectExpression':
      return first(
        node.properties.map((each) => () => search(each.type === 'SpreadElement' ? each : each.value)),
      )
    case 'SpreadElement':
      return search(node.argument)
    case 'AwaitExpression':
      return search(node.argument)
    case 'CallExpression':
      return isPrinting(node.callee) ? first(node.arguments.map((each) => () => search(each))) : undefined
    case 'MemberExpression':
      return property(node, types) ?? (entities ? entity(node, types) : undefined)
    case 'Identifier':
    case 'ThisExpression':
      return entities ? entity(node, types) : undefined
    // Nodes that TypeScript adds: `value!` and `value as Type`.
    default:
      return 'expression' in node && /^TS/.test(node.type)
        ? search((node as { expression: Node }).expression)
        : undefined
  }
}

function property(node: MemberExpression, { checker, nodeOf }: Typed): Found | undefined {
  const found = encryptedProperty(checker.getSymbolAtLocation(nodeOf(node.property)), checker)
  return found && { node, name: `${found.entity}.${found.property}`, kind: 'property' }
}

function entity(node: Node, { checker, nodeOf }: Typed): Found | undefined {
  const found = encryptedProperties(checker.getTypeAtLocation(nodeOf(node)), checker)
  return found && { node, name: `${found.entity}.${found.property}`, kind: 'entity' }
}

function isPrinting(callee: Node): boolean {
  if (callee.type === 'Identifier') return callee.name === 'String' || callee.name === 'inspect'
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return false
  return /^(stringify|inspect|format|toString|concat|join)$/.test(callee.property.name)
}

function first<Item>(tries: readonly (() => Item | undefined)[]): Item | undefined {
  for (const attempt of tries) {
    const found = attempt()
    if (found !== undefined) return found
  }
  return undefined
}
