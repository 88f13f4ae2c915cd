import { type Rule } from 'eslint'
import { type Node } from 'estree'
import type ts from 'typescript'
import { declaredEncrypted, type EncryptedProperty } from '../encrypted-property'
import { textOf } from '../text'
import { type Typed, typed } from '../typed'

/** Finds a raw statement that names an encrypted column: what it reads is ciphertext, what it writes is not encrypted. */
export const noRawSql: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow raw SQL statements over encrypted columns' },
    messages: {
      statement:
        'The statement names {{column}} ({{name}}), which is encrypted: a raw statement reads ciphertext, and stores what it is given as it is. Use the repository, or encryption.encrypt() and decrypt() around the statement, and disable this rule for the line.',
    },
    schema: [],
  },
  create(context) {
    const types = typed(context)
    const check = (node: Node, sql: string | undefined): void => {
      if (sql === undefined) return
      const words = wordsOf(sql)
      const found = encryptedColumns(types).find(
        ({ column, tables }) =>
          words.has(column.toLowerCase()) && tables.some((table) => words.has(table.toLowerCase())),
      )
      if (!found) return
      const name = `${found.entity}.${found.property}`
      context.report({ node, messageId: 'statement', data: { column: found.column, name } })
    }
    return {
      CallExpression(call) {
        const [first] = call.arguments
        if (first && methodOf(call.callee) === 'query') check(call, textOf(first))
      },
      // `` manager.sql`SELECT …` ``
      TaggedTemplateExpression(tagged) {
        if (methodOf(tagged.tag) === 'sql') check(tagged, textOf(tagged.quasi))
      },
    }
  },
}

function methodOf(callee: Node): string | undefined {
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier'
    ? callee.property.name
    : undefined
}

function wordsOf(sql: string): Set<string> {
  return new Set(sql.toLowerCase().match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? [])
}

interface EncryptedColumn extends EncryptedProperty {
  /** Names that the table may have: that of `@Entity('…')`, or what TypeORM makes of the class's name. */
  readonly tables: readonly string[]
}

const columnsOfPrograms = new WeakMap<ts.Program, readonly EncryptedColumn[]>()

/** All encrypted columns that the program declares. */
function encryptedColumns({ program, checker }: Typed): readonly EncryptedColumn[] {
  const known = columnsOfPrograms.get(program)
  if (known) return known
  const found: EncryptedColumn[] = []
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile) continue
    file.forEachChild(function visit(node): void {
      const column = declaredEncrypted(node, checker)
      if (column) found.push({ ...column, tables: tablesOf(node.parent as ts.ClassDeclaration) })
      else node.forEachChild(visit)
    })
  }
  columnsOfPrograms.set(program, found)
  return found
}

function tablesOf({ name, modifiers }: ts.ClassDeclaration): string[] {
  const tables = name ? [snakeCase(name.text), name.text] : []
  for (const modifier of modifiers ?? []) {
    const call = (modifier as Partial<ts.Decorator>).expression as Partial<ts.CallExpression> | undefined
    if (call?.expression?.getText() !== 'Entity') continue
    const [argument] = call.arguments ?? []
    const text = argument?.getText().match(/^['"`](.+)['"`]$|name:\s*['"`](.+?)['"`]/)
    if (text) tables.push(text[1] ?? text[2] ?? '')
  }
  return tables
}

/** As TypeORM's default naming strategy names tables. */
function snakeCase(name: string): string {
  return name.replace(/([A-Z])([A-Z])([a-z])|([a-z])([A-Z])/g, '$1$4_$2$3$5').toLowerCase()
}
