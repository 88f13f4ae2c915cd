import { type Node } from 'estree'

/** The text of a literal, as far as it stands in the code: without what is put into a template. */
export function textOf(node: Node): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined
  if (node.type === 'TemplateLiteral') return node.quasis.map(({ value }) => value.raw).join(' ')
  if (node.type !== 'BinaryExpression' || node.operator !== '+') return undefined
  return `${textOf(node.left) ?? ''} ${textOf(node.right) ?? ''}`
}
