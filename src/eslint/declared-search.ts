import type ts from 'typescript'

/*
 * What the option `search` says, as far as it stands in the decorator as it is. What stands elsewhere counts as an index
 * that answers: a rule that cannot know says nothing.
 */

/** How conditions on a property are answered: by its value, by a name (`Indexed()`), not yet, or not at all. */
export type Answers = 'value' | 'named' | 'filling' | 'none'

/** What the value of the option `search` declares; `undefined` where there is none. */
export function answersOf(search: ts.Node | undefined): Answers {
  if (!search) return 'none'
  const all = (search as Partial<ts.ArrayLiteralExpression>).elements ?? [search]
  const found = all.map(answersOfOne)
  const best = (['value', 'filling', 'named'] as const).find((each) => found.includes(each))
  return best ?? 'none'
}

/** The properties that indexes of a column are over besides it. */
export function withOf(search: ts.Node | undefined): string[] {
  const all = (search as Partial<ts.ArrayLiteralExpression> | undefined)?.elements ?? [search]
  return all.flatMap((each) => {
    const { elements = [] } = (valueOf(each, 'with') ?? {}) as Partial<ts.ArrayLiteralExpression>
    return elements.flatMap((name) => (name as Partial<ts.StringLiteral>).text ?? [])
  })
}

function answersOfOne(index: ts.Node): Answers {
  const { properties } = index as Partial<ts.ObjectLiteralExpression>
  if (!properties) return 'value'
  // Found by equality of all the properties together.
  if (valueOf(index, 'with')) return 'value'
  const name = (valueOf(index, 'name') as Partial<ts.StringLiteral> | undefined)?.text
  if (name !== undefined && name !== 'index') return 'named'
  return valueOf(index, 'filling')?.getText() === 'true' ? 'filling' : 'value'
}

/** The value of a property of an object literal. */
export function valueOf(node: ts.Node | undefined, name: string): ts.Node | undefined {
  const { properties } = (node ?? {}) as Partial<ts.ObjectLiteralExpression>
  const property = properties?.find((each) => each.name?.getText() === name)
  return (property as Partial<ts.PropertyAssignment> | undefined)?.initializer
}
