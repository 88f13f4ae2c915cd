/** A command to be copied stays in one line. */
const COMMAND = /typeorm-kms (?:keys \S+ \S+|\S+)(?: -\S+ \S+)*/g
/** Stands for the spaces of a command while lines are broken; no text has it. */
const GLUE = '\u0000'

/** Breaks a text between words into lines of at most `room` characters; a longer word has a line of its own. */
export function wrap(text: string, room: number): string[] {
  const glued = text.replace(COMMAND, (command) => command.replaceAll(' ', GLUE))
  const lines: string[] = []
  let line: string | undefined
  for (const word of glued.split(' ')) {
    if (line !== undefined && line.length + 1 + word.length <= room) {
      line += ` ${word}`
      continue
    }
    if (line !== undefined) lines.push(line)
    line = word
  }
  return [...lines, line ?? ''].map((one) => one.replaceAll(GLUE, ' '))
}
