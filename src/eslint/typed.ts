import { type Rule } from 'eslint'
import { type Node } from 'estree'
import type ts from 'typescript'

/** What a rule asks of TypeScript. */
export interface Typed {
  readonly program: ts.Program
  readonly checker: ts.TypeChecker
  /** TypeScript's node of one of ESLint's. */
  readonly nodeOf: (node: Node) => ts.Node
}

/**
 * TypeScript's view of the file. Throws where ESLint has none: a rule that cannot see types would find nothing and
 * look like a rule that has nothing to say.
 *
 * Source: typescript-eslint, "Linting with Type Information".
 */
export function typed(context: Rule.RuleContext): Typed {
  const services = context.sourceCode.parserServices as Partial<{
    program: ts.Program | null
    esTreeNodeToTSNodeMap: { get(node: Node): ts.Node }
  }>
  const { program, esTreeNodeToTSNodeMap: nodes } = services
  if (!program || !nodes) {
    throw new Error(
      `${context.id} needs typed linting, to know an encrypted property from another one. Set parserOptions.projectService to true with the parser of typescript-eslint, and apply the rule to TypeScript files only.`,
    )
  }
  return { program, checker: program.getTypeChecker(), nodeOf: (node) => nodes.get(node) }
}
