/** A command to be copied stays in one line. */
const COMMAND = /typeorm-kms (?:keys \S+ \S+|\S+)(?: -\S+ \S+)*/g
/** Stands for the spaces of a command while lines are broken; no text has it. */
const GLUE = '\u0000'

/**
 * Breaks a text between words into lines of at most `room` characters; a longer word has a line of its own. No line
 * begins with the end of a brace or ends with its beginning. A command stays whole; with `folds`, one that is longer than the room goes on after a backslash, as a shell takes it.
 */
export function wrap(text: string, room: number, folds = false): string[] {
  const braced = text.replace(/\{ | \}/g, (brace) => brace.replace(' ', GLUE))
  const glued = braced.replace(COMMAND, (command) => {
    const lines = folds && command.length > room ? folded(command, room) : [command]
    return lines.map((line) => line.replaceAll(' ', GLUE)).join(' ')
  })
  const lines: string[] = []
  let line: string | undefined
  for (const word of glued.split(' ')) {
    if (line !== undefined && !line.endsWith(`${GLUE}\\`) && line.length + 1 + word.length <= room) {
      line += ` ${word}`
      continue
    }
    if (line !== undefined) lines.push(line)
    line = word
  }
  return [...lines, line ?? ''].map((one) => one.replaceAll(GLUE, ' '))
}

/** The lines of a command, broken before its flags: each but the last ends in a backslash. */
function folded(command: string, room: number): string[] {
  const lines: string[] = []
  for (const part of command.split(/ (?=-)/)) {
    const before = lines.at(-1)
    if (before !== undefined && before.length + part.length + 3 <= room)
      lines.splice(-1, 1, `${before} ${part}`)
    else lines.push(part)
  }
  return lines.map((line, index) => (index < lines.length - 1 ? `${line} \\` : line))
}
