const WIDEST = 100
const NARROWEST = 50

/** Columns to write in: those of the terminal, or of a page that reads well. */
export function columnsOf(stream: { columns?: number }): number {
  return Math.max(NARROWEST, Math.min(stream.columns ?? WIDEST, WIDEST))
}

/** Breaks a text into lines at its newlines and, where they are too long, at spaces. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = []
    let line: string | undefined
    for (const word of paragraph.split(' ')) {
      if (line !== undefined && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else line = line === undefined ? word : `${line} ${word}`
    }
    return [...lines, line ?? '']
  })
}

/** Bytes as `C1 01 01`, at most `limit` of them. */
export function hex(bytes: Buffer, limit = bytes.length): string {
  const shown = bytes
    .toString('hex', 0, limit)
    .toUpperCase()
    .replace(/..(?=.)/g, '$& ')
  return bytes.length > limit ? `${shown} …` : shown
}
