import { soundsSecret } from './names'

/** Leaves of a JSON value that are looked at. */
const MAX_LEAVES = 200
/** Bits for each character: words have fewer, digits and letters by chance more. */
const RANDOM_ENTROPY = 4
const RANDOM_HEX_ENTROPY = 3

/** What values may look like, by their form; the first that fits counts. */
const KINDS: readonly [kind: string, fits: (text: string) => boolean][] = [
  ['private keys', (text) => /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)],
  ['secrets of one-time passwords', (text) => text.startsWith('otpauth://')],
  [
    'access tokens',
    (text) =>
      /^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*$/.test(text) ||
      /^(?:(?:AKIA|ASIA)[A-Z\d]{16}|[srp]k_(?:live|test)_\w{10,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{15,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_\w{30,}|SG\.[\w.-]{30,})$/.test(
        text,
      ),
  ],
  ['e-mail addresses', (text) => /^[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)+$/.test(text)],
  ['IBANs', isIban],
  ['numbers of payment cards', isCard],
  ['social security numbers', (text) => /^\d{3}-\d{2}-\d{4}$/.test(text)],
  ['phone numbers', isPhone],
  ['recovery phrases', (text) => /^[a-z]{3,8}(?: [a-z]{3,8}){11}(?:(?: [a-z]{3,8}){3}){0,4}$/.test(text)],
  ['IP addresses', (text) => /^(?:\d{1,3}\.){3}\d{1,3}$|^(?=.*::|(?:[^:]*:){4})[\da-f:]{3,39}$/i.test(text)],
  ['keys, tokens or digests', isRandom],
]

/** What a value looks like, as a plural for people; `undefined` for nothing that is known. Nothing of the value is kept. */
export function kindOf(value: string): string | undefined {
  const text = value.trim()
  if (/^[[{]/.test(text)) {
    const kind = kindInJson(text)
    return kind && `JSON with ${kind}`
  }
  return KINDS.find(([, fits]) => fits(text))?.[0]
}

function kindInJson(text: string): string | undefined {
  const waiting: unknown[] = []
  try {
    waiting.push(JSON.parse(text))
  } catch {
    return undefined
  }
  for (let looked = 0; looked < MAX_LEAVES && waiting.length > 0; looked++) {
    const next = waiting.pop()
    if (typeof next === 'string') {
      const kind = KINDS.find(([, fits]) => fits(next.trim()))?.[0]
      if (kind !== undefined) return kind
    }
    if (typeof next !== 'object' || next === null) continue
    for (const [name, value] of Object.entries(next)) {
      if (typeof value === 'string' && value !== '' && soundsSecret(name))
        return 'members called like secrets'
      waiting.push(value)
    }
  }
  return undefined
}

/** ISO 13616: the check digits make the whole, as a number, 1 modulo 97. */
function isIban(text: string): boolean {
  const compact = text.replace(/\s/g, '')
  if (!/^[A-Z]{2}\d{2}[A-Z\d]{11,30}$/.test(compact)) return false
  const digits = (compact.slice(4) + compact.slice(0, 4)).replace(/[A-Z]/g, (letter) =>
    String(letter.charCodeAt(0) - 55),
  )
  let rest = 0
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97
  return rest === 1
}

/** ISO/IEC 7812: the last digit is that of Luhn's algorithm. */
function isCard(text: string): boolean {
  const digits = text.replace(/[ -]/g, '')
  if (!/^[3-6]\d{12,18}$/.test(digits)) return false
  let sum = 0
  for (const [place, digit] of Array.from(digits).reverse().entries()) {
    const twice = Number(digit) * (place % 2 === 0 ? 1 : 2)
    sum += twice > 9 ? twice - 9 : twice
  }
  return sum % 10 === 0
}

function isPhone(text: string): boolean {
  const digits = text.replace(/\D/g, '').length
  if (digits < 7 || digits > 15 || /^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b/.test(text)) return false
  return (
    /^\+\d[\d\s()./-]+$/.test(text) ||
    /^\(?0\d+\)?[\s()./-][\d\s()./-]+$/.test(text) ||
    /^\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}$/.test(text)
  )
}

function isRandom(text: string): boolean {
  if (/^[\da-f]{32,}$/i.test(text)) return text.length % 2 === 0 && entropyOf(text) >= RANDOM_HEX_ENTROPY
  const isMixed =
    /^[\w+/-]{24,}={0,2}$/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text)
  return isMixed && entropyOf(text) >= RANDOM_ENTROPY
}

function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const each of text) counts.set(each, (counts.get(each) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}
