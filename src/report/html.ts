/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | undefined | false | readonly Part[]

/** HTML with the parts escaped that are not HTML: `` markup`<p>${text}</p>` ``. Lists are joined; nothing is left out. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const text = strings.map((string, index) => string + textOf(parts[index])).join('')
  return new Html(text)
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(textOf).join('')
  return escapeHtml(String(part))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and for attributes in quotes. Control characters, which HTML does not know, are shown as a sign. */
function escapeHtml(text: string): string {
  return text.replace(/(?![\t\n\r])\p{Cc}/gu, '\ufffd').replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign)
}

export function amount(value: number): string {
  return value.toLocaleString('en')
}

/** `1 row`, `2,000 rows`. */
export function count(value: number, what: string): string {
  return `${amount(value)} ${what}${value === 1 ? '' : 's'}`
}

export function day(date: Date | undefined): string {
  return date?.toISOString().slice(0, 10) ?? ''
}

/** A share in percent that is 0 and 100 only if it is exactly that. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '–'
  const share = (part / whole) * 100
  if (part === 0 || part === whole) return `${share} %`
  return share < 0.1 ? '< 0.1 %' : share > 99.9 ? '> 99.9 %' : `${share.toFixed(1)} %`
}
