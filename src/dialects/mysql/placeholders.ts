/*
 * TypeORM gives parameters to `connection.query`, which puts them into the text before it is sent: not the server
 * finds the placeholders, but the client, by its own idea of comments and texts, whatever the server's sql_mode.
 * `??` takes a value, too; more question marks in a row take none.
 */

/** As mysql2 does with the package sql-escaper: not in comments, texts and quoted names. */
export function placeholdersOutsideOfTexts(text: string): number[] {
  const found: number[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '?') at = take(text, at, found) - 1
    else if (char === "'" || char === '"' || char === '`') at = endOfQuoted(text, at, char) - 1
    else if (char === '#' || (char === '-' && isLineComment(text, at))) at = endOfLine(text, at)
    else if (char === '/' && text[at + 1] === '*' && !'!+'.includes(text[at + 2] ?? ' ')) {
      const end = text.indexOf('*/', at + 2)
      at = end < 0 ? text.length : end + 1
    }
  }
  return found
}

/** As the package sqlstring does, which earlier releases use. */
export function placeholdersEverywhere(text: string): number[] {
  const found: number[] = []
  for (let at = text.indexOf('?'); at >= 0; at = text.indexOf('?', at)) at = take(text, at, found)
  return found
}

/** Takes a run of question marks, and returns where it ends. */
function take(text: string, start: number, found: number[]): number {
  let end = start + 1
  while (text[end] === '?') end++
  if (end - start <= 2) found.push(start)
  return end
}

function isLineComment(text: string, at: number): boolean {
  return text[at + 1] === '-' && text.charCodeAt(at + 2) <= 32
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function endOfQuoted(text: string, start: number, quote: string): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\' && quote !== '`') at++
    else if (char === quote) return at + 1
  }
  return text.length
}
