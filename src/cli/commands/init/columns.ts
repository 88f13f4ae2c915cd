import { type Source } from './project'

/** A column that may be worth encrypting, and its declaration before and after. */
export interface ProposedColumn {
  readonly file: string
  readonly line: number
  readonly entity: string
  readonly property: string
  readonly before: string
  readonly after: string
  /** What has to be thought of, if anything. */
  readonly remark?: string
}

const SECRETS =
  'secret|private_?key|api_?key|encryption_?key|token|password|passphrase|otp|totp|recovery|pin|credentials?|seed|mnemonic'
const PERSONAL =
  'iban|bic|ssn|social_?security|tax_?id|passport|national_?id|birth_?(?:date|day)|date_?of_?birth|phone|mobile|e_?mail|address|street|salary|card|cvv|diagnosis|account'
const NAME = new RegExp(
  `(?:${SECRETS}|${PERSONAL})(?:_?(?:number|no|code|value|text|line_?\\d?|address))?s?$`,
  'i',
)
/** What is hashed already, or only about a value. */
const HARMLESS = /hash|digest|salt|^(?:is|has)[A-Z_]|(?:At|On|Id|Count|Type)$/

const COLUMN =
  /@Column\(((?:[^()'"`]|'[^']*'|"[^"]*"|`[^`]*`|\([^()]*\))*)\)\s*((?:(?:public|private|protected|readonly|declare|override)\s+)*)(\w+)\s*([!?]?)\s*:\s*([^;=\n]+?)\s*(?=[;=\n])/g

/** The columns of a file whose names sound like secrets or personal data. */
export function columnsIn({ path, text }: Source): ProposedColumn[] {
  return Array.from(text.matchAll(COLUMN)).flatMap((match) => {
    const [before, options = '', modifiers = '', property = '', mark = '', type = ''] = match
    const at = match.index
    if (!NAME.test(property) || HARMLESS.test(property) || /@\w+\(.*\)\s*$/.test(lineBefore(text, at)))
      return []
    const given = optionsOf(options, type, mark)
    const remark = remarkOf(options)
    return [
      {
        file: path,
        line: text.slice(0, at).split('\n').length,
        entity: /class\s+(\w+)(?![\s\S]*class\s+\w)/.exec(text.slice(0, at))?.[1] ?? '',
        property,
        before: before.replace(/\s+/g, ' '),
        after: `@KmsEncrypted(${given}) ${modifiers}${property}${mark}: ${type}`,
        ...(remark !== undefined && { remark }),
      },
    ]
  })
}

/** Decorators above say more of the column than can be read here. */
function lineBefore(text: string, at: number): string {
  return text.slice(0, at).split('\n').slice(-2).join('\n').trim()
}

function optionsOf(options: string, type: string, mark: string): string {
  const isNullable = /\bnull\b/.test(type) || /nullable:\s*true/.test(options) || mark === '?'
  const name = /\bname:\s*(['"][^'"]+['"])/.exec(options)?.[1]
  const parts = [
    `type: '${typeOf(type)}'`,
    ...(name === undefined ? [] : [`name: ${name}`]),
    ...(isNullable ? ['nullable: true'] : []),
    ...(/select:\s*false/.test(options) ? ['select: false'] : []),
    ...(/unique:\s*true/.test(options) ? ['search: true', 'unique: true'] : []),
  ]
  return `{ ${parts.join(', ')} }`
}

function typeOf(type: string): string {
  const [only = '', ...others] = type
    .split('|')
    .map((part) => part.trim())
    .filter((part) => part !== 'null' && part !== 'undefined')
  if (others.length > 0) return 'json'
  const known: Record<string, string> = {
    string: 'string',
    number: 'number',
    boolean: 'boolean',
    bigint: 'bigint',
    Date: 'date',
    Buffer: 'buffer',
    Uint8Array: 'buffer',
  }
  return known[only] ?? 'json'
}

function remarkOf(options: string): string | undefined {
  if (/transformer:/.test(options)) return 'its transformer goes; where it encrypts, see docs/coming-from.md'
  if (/default:/.test(options)) return 'its default goes into the class'
  if (/unique:\s*true/.test(options))
    return 'a blind index keeps it unique; it needs an index key (docs/search.md)'
  return undefined
}
