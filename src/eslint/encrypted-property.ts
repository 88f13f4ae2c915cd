import type ts from 'typescript'
import { type Answers, answersOf, valueOf, withOf } from './declared-search'

/** A property with `@KmsEncrypted()`. */
export interface EncryptedProperty {
  /** Name of the class. */
  readonly entity: string
  readonly property: string
  /** The properties of the options that stand in the decorator as they are. */
  readonly options: ReadonlySet<string>
  /** The text of the option `name`: the column in the database. */
  readonly column: string
  /** How conditions on it are answered. */
  readonly answers: Answers
}

/** The encrypted property that a symbol stands for; of several declarations (a union of entities), the first. */
export function encryptedProperty(
  symbol: ts.Symbol | undefined,
  checker: ts.TypeChecker,
): EncryptedProperty | undefined {
  for (const declaration of symbol?.declarations ?? []) {
    const found = declaredEncrypted(declaration, checker)
    if (found) return found
  }
  return undefined
}

/** The encrypted property that a variable was taken from by destructuring. */
export function destructuredProperty(
  symbol: ts.Symbol | undefined,
  checker: ts.TypeChecker,
): EncryptedProperty | undefined {
  const { parent, name, propertyName } = (symbol?.valueDeclaration ?? {}) as Partial<ts.BindingElement>
  const taken = propertyName ?? name
  // Those of a pattern of an object; a variable's declaration has a list as its parent.
  if (!parent || !taken || !(parent as Partial<ts.ObjectBindingPattern>).elements) return undefined
  const property = checker.getTypeAtLocation(parent).getProperty(taken.getText())
  return encryptedProperty(property, checker)
}

/** The encrypted properties of a type: of an entity, of an array or a promise of them, or of one in a union. */
export function encryptedProperties(
  type: ts.Type,
  checker: ts.TypeChecker,
  depth = 0,
): EncryptedProperty | undefined {
  if (depth > 3) return undefined
  if (type.isUnionOrIntersection()) {
    return firstOf(type.types, (each) => encryptedProperties(each, checker, depth + 1))
  }
  const element = type.getNumberIndexType()
  if (element) return encryptedProperties(element, checker, depth + 1)
  if (!type.isClassOrInterface() && !(type.symbol as ts.Symbol | undefined)) return undefined
  return firstOf(type.getProperties(), (property) => encryptedProperty(property, checker))
}

/** What a node of TypeScript declares, if that is an encrypted property. */
export function declaredEncrypted(node: ts.Node, checker: ts.TypeChecker): EncryptedProperty | undefined {
  const { name, parent } = node as Partial<ts.PropertyDeclaration>
  const decorator = decoratorOf(node, checker)
  if (!decorator || !name) return undefined
  const options = optionsOf(decorator)
  const given = propertiesOf(options)
  const property = name.getText()
  const column = given.get('name')?.text ?? property
  return {
    entity: (parent as ts.ClassDeclaration | undefined)?.name?.text ?? 'the entity',
    property,
    options: new Set(given.keys()),
    column,
    answers: isIndexedWith(property, parent, checker) ? 'value' : answersOf(valueOf(options, 'search')),
  }
}

function decoratorOf(node: ts.Node, checker: ts.TypeChecker): ts.Decorator | undefined {
  const { modifiers } = node as Partial<ts.PropertyDeclaration>
  return modifiers?.find((modifier): modifier is ts.Decorator => isEncrypted(modifier, checker))
}

function optionsOf(decorator: ts.Decorator): ts.Node | undefined {
  return (decorator.expression as ts.CallExpression).arguments[0]
}

/** True for a property that an index of another one of its class is over. */
function isIndexedWith(property: string, parent: ts.Node | undefined, checker: ts.TypeChecker): boolean {
  const { members = [] } = (parent ?? {}) as Partial<ts.ClassDeclaration>
  return members.some((member) => {
    const decorator = decoratorOf(member, checker)
    return decorator !== undefined && withOf(valueOf(optionsOf(decorator), 'search')).includes(property)
  })
}

/** True for `@KmsEncrypted(…)`, under whatever name the file imports it. */
function isEncrypted(node: ts.Node, checker: ts.TypeChecker): boolean {
  const call = (node as Partial<ts.Decorator>).expression as Partial<ts.CallExpression> | undefined
  const callee = call?.expression
  if (!callee || call.arguments === undefined) return false
  const symbol = checker.getSymbolAtLocation((callee as Partial<ts.PropertyAccessExpression>).name ?? callee)
  if (!symbol) return false
  return originalName(symbol, checker) === 'KmsEncrypted'
}

function originalName(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const ALIAS = 2_097_152 // ts.SymbolFlags.Alias. The rules load no TypeScript of their own.
  return (symbol.flags & ALIAS ? checker.getAliasedSymbol(symbol) : symbol).name
}

/** The properties of an object literal, with their values as text where they are text. */
function propertiesOf(node: ts.Node | undefined): Map<string, { text: string } | undefined> {
  const { properties } = (node ?? {}) as Partial<ts.ObjectLiteralExpression>
  const found = new Map<string, { text: string } | undefined>()
  for (const property of properties ?? []) {
    const { name, initializer } = property as Partial<ts.PropertyAssignment>
    const text = (initializer as Partial<ts.StringLiteral> | undefined)?.text
    if (name) found.set(name.getText(), text === undefined ? undefined : { text })
  }
  return found
}

function firstOf<Item, Found>(
  items: readonly Item[],
  find: (item: Item) => Found | undefined,
): Found | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
