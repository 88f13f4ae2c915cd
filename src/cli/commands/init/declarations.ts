import { type Source } from './project'

/** A `@Column()` as it stands in a file. */
export interface Declaration {
  readonly file: string
  readonly line: number
  readonly entity: string
  readonly property: string
  /** What stands between the parentheses of `@Column()`. */
  readonly options: string
  /** Names of the other decorators of the property. */
  readonly decorators: readonly string[]
  /** What follows `@Column()` up to the type: other decorators, modifiers and the name. */
  readonly head: string
  /** The type of the property; empty if none is written. */
  readonly type: string
  readonly isOptional: boolean
}

/** A class of a file, and the name that `@Entity()` gives its table, if any. */
export interface DeclaredEntity {
  readonly name: string
  readonly table: string | undefined
}

const MODIFIERS = 'public|private|protected|readonly|declare|override|accessor'
const PROPERTY = new RegExp(`((?:\\s*(?:${MODIFIERS})\\b)*)\\s*(\\w+)\\s*([!?]?)\\s*(?=[:=;\\n}])`, 'y')
const DECORATOR = /\s*@([\w.]+)\s*/y

/** Every `@Column()` of a file. */
export function declarationsIn({ path, text }: Source): Declaration[] {
  const code = masked(text)
  return Array.from(code.matchAll(/@Column\s*\(/g)).flatMap(({ index: at, 0: start }) => {
    const open = at + start.length - 1
    const close = closing(code, open)
    if (close === undefined) return []
    const { names, end } = decoratorsFrom(code, close + 1)
    const found = matchAt(PROPERTY, code, end)
    if (!found) return []
    const [whole, , property = '', mark = ''] = found
    const type = typeFrom(text, code, end + whole.length)
    return [
      {
        file: path,
        line: text.slice(0, at).split('\n').length,
        entity: Array.from(code.slice(0, at).matchAll(/\bclass\s+(\w+)/g)).at(-1)?.[1] ?? '',
        property,
        options: text.slice(open + 1, close),
        decorators: [...decoratorsBefore(code, at), ...names],
        head: oneLine(text.slice(close + 1, end + whole.length)),
        type,
        isOptional: mark === '?',
      },
    ]
  })
}

/** The entities of a file. */
export function entitiesIn({ text }: Source): DeclaredEntity[] {
  const code = masked(text)
  return Array.from(code.matchAll(/@Entity\s*\(/g)).flatMap(({ index, 0: start }) => {
    const open = index + start.length - 1
    const close = closing(code, open) ?? open
    const name = /\bclass\s+(\w+)/.exec(code.slice(close))?.[1]
    if (name === undefined) return []
    const [, first, named] =
      /^\s*['"`]([^'"`]+)|\bname:\s*['"`]([^'"`]+)/.exec(text.slice(open + 1, close)) ?? []
    return [{ name, table: first ?? named }]
  })
}

/** The same text with blanks for comments and for what stands in quotes, so that each character keeps its place. */
function masked(text: string): string {
  return text.replace(
    /\/\/[^\n]*|\/\*[^]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[^])*`/g,
    (found) => found.replace(/[^\n]/g, (each, at: number) => (isQuote(found, each, at) ? each : ' ')),
  )
}

function isQuote(found: string, each: string, at: number): boolean {
  return !found.startsWith('/') && each === found[0] && (at === 0 || at === found.length - 1)
}

/** The place of the parenthesis that closes the one at `open`. */
function closing(code: string, open: number): number | undefined {
  let depth = 0
  for (let at = open; at < code.length; at++) {
    if (code[at] === '(') depth++
    if (code[at] === ')' && --depth === 0) return at
  }
  return undefined
}

function opening(code: string, close: number): number | undefined {
  let depth = 0
  for (let at = close; at >= 0; at--) {
    if (code[at] === ')') depth++
    if (code[at] === '(' && --depth === 0) return at
  }
  return undefined
}

function matchAt(pattern: RegExp, code: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(code)
}

function decoratorsFrom(code: string, start: number): { names: string[]; end: number } {
  const names: string[] = []
  let end = start
  for (let found = matchAt(DECORATOR, code, end); found; found = matchAt(DECORATOR, code, end)) {
    names.push(found[1] ?? '')
    const next = end + found[0].length
    end = code[next] === '(' ? (closing(code, next) ?? next) + 1 : next
  }
  return { names, end }
}

function decoratorsBefore(code: string, at: number): string[] {
  const names: string[] = []
  for (let end = at; ;) {
    const before = code.slice(0, end).trimEnd()
    const head = before.endsWith(')') ? before.slice(0, opening(code, before.length - 1)) : before
    const name = /@([\w.]+)\s*$/.exec(head)
    if (!name) return names
    names.unshift(name[1] ?? '')
    end = name.index
  }
}

/** The type behind a colon: up to the end of the statement, outside of all brackets. */
function typeFrom(text: string, code: string, start: number): string {
  if (code[start] !== ':') return ''
  let depth = 0
  let end = start + 1
  for (; end < code.length; end++) {
    const each = code[end] ?? ''
    if ('([{<'.includes(each)) depth++
    if (')]}'.includes(each) || (each === '>' && code[end - 1] !== '=')) depth--
    if (depth < 0) break
    if (depth > 0) continue
    if (each === ';' || (each === '=' && code[end + 1] !== '>')) break
    const goesOn = /^\s*[|&]/.test(code.slice(end)) || /[|&:]\s*$/.test(code.slice(start, end))
    if (each === '\n' && !goesOn) break
  }
  return oneLine(text.slice(start + 1, end)).replace(/^\|\s*/, '')
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
