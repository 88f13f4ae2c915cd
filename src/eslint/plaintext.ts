import { type Node } from 'estree'
import { destructuredProperty, encryptedProperties, encryptedProperty } from './encrypted-property'
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
    // The tag may do what it likes; those of loggers and terminals print.
    case 'TaggedTemplateExpression':
      return search(node.quasi)
    // `user?.privateKey`
    case 'ChainExpression':
      return search(node.expression)
    case 'CallExpression':
      return isPrinting(node.callee)
        ? (printedOf(node.callee, search) ?? first(node.arguments.map((each) => () => search(each))))
        : undefined
    case 'MemberExpression':
      return property(node, node.property, types) ?? (entities ? entity(node, types) : undefined)
    case 'Identifier':
      return destructured(node, types) ?? (entities ? entity(node, types) : undefined)
    case 'ThisExpression':
      return entities ? entity(node, types) : undefined
    // Nodes that TypeScript adds: `value!` and `value as Type`.
    default:
      return 'expression' in node && /^TS/.test(node.type)
        ? search((node as { expression: Node }).expression)
        : undefined
  }
}

function property(node: Node, name: Node, { checker, nodeOf }: Typed): Found | undefined {
  const found = encryptedProperty(checker.getSymbolAtLocation(nodeOf(name)), checker)
  return found && { node, name: `${found.entity}.${found.property}`, kind: 'property' }
}

/** `const { privateKey: key } = user`, also as a parameter: the name stands for the property. */
function destructured(node: Node, { checker, nodeOf }: Typed): Found | undefined {
  const at = nodeOf(node)
  // In `{ privateKey }` the name is that of a property as well.
  const symbol = checker.getShorthandAssignmentValueSymbol(at.parent) ?? checker.getSymbolAtLocation(at)
  const found = destructuredProperty(symbol, checker)
  return found && { node, name: `${found.entity}.${found.property}`, kind: 'property' }
}

/** `user.privateKey.toString()` and `[user.privateKey].join()` give what they are called on. */
function printedOf(callee: Node, search: (node: Node) => Found | undefined): Found | undefined {
  if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return undefined
  return /^(toString|concat|join)$/.test(callee.property.name) ? search(callee.object) : undefined
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
