import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { type Readable, type Writable } from 'node:stream'
import { stripVTControlCharacters, styleText } from 'node:util'
import { wrap } from './wrap'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

interface Streams {
  stdin: Readable & { isTTY?: boolean }
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean; columns?: number }
  env: NodeJS.ProcessEnv
}

/** Spaces between columns. */
const GAP = 2
/** Characters of a line where the terminal does not tell, or there is none. */
const WIDTH = 80

/** Where a command writes: results on stdout, all else on stderr; colours and questions only on a terminal. */
export class Terminal {
  readonly #streams: Streams
  readonly #colour: boolean
  #jsonPrinted = false

  constructor(
    streams: Streams,
    /** The user asked for JSON: results are one JSON value, and nothing is printed beside it. */
    readonly json: boolean,
  ) {
    this.#streams = streams
    const { NO_COLOR, FORCE_COLOR } = streams.env
    this.#colour = FORCE_COLOR ? FORCE_COLOR !== '0' : streams.stdout.isTTY === true && !NO_COLOR
  }

  /** True if somebody is there to be asked and to see a progress bar. */
  get interactive(): boolean {
    return this.#streams.stdin.isTTY === true && this.#streams.stderr.isTTY === true && !this.json
  }

  /** Characters that a status line may have: a longer one would break, and stay. */
  get statusWidth(): number {
    return (this.#streams.stderr.columns || WIDTH) - 1
  }

  /** What is piped into the tool. */
  get stdin(): Readable {
    return this.#streams.stdin
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text) : text
  }

  /** A line of the result. Left out with `--json`. */
  print(line = ''): void {
    if (!this.json) this.#streams.stdout.write(`${line}\n`)
  }

  /** A text of the result behind a sign, broken at the terminal's width, and indented as far as the sign. */
  remark(sign: string, text: string): void {
    for (const line of behind(sign, text, this.#streams.stdout)) this.print(line)
  }

  /** As `remark`, for what is no result. */
  noteRemark(sign: string, text: string): void {
    for (const line of behind(sign, text, this.#streams.stderr)) this.note(line)
  }

  /** As `noteRemark`; only a terminal gets it broken, so that what reads the output finds its sentences whole. */
  noteSentence(sign: string, text: string): void {
    const { isTTY, columns = Infinity } = this.#streams.stderr
    if (isTTY) this.noteRemark(sign, text)
    else for (const line of behind(sign, text, { columns })) this.note(line)
  }

  /** The result for `--json`. Left out without, and after the first. */
  printJson(value: unknown): void {
    if (!this.json || this.#jsonPrinted) return
    this.#jsonPrinted = true
    this.#streams.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** A line that is no result: progress, warnings, errors. */
  note(line: string): void {
    const { stderr, env } = this.#streams
    const plain = stderr.isTTY !== true && !env.FORCE_COLOR
    stderr.write(`${plain ? stripVTControlCharacters(line) : line}\n`)
  }

  /** Overwrites the current line; for progress on a terminal. */
  status(line: string): void {
    if (this.interactive) this.#streams.stderr.write(`\r${line.slice(0, this.statusWidth)}\u001b[K`)
  }

  /** A table with aligned columns, numbers by their last digit; on a terminal too narrow for it, a block of lines per row. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    if (!this.hasRoomFor(header, rows)) {
      this.#blocks(header, rows)
      return
    }
    const widths = widthsOf(header, rows)
    const numbers = header.map((_, column) => rows.every((row) => /^[\d,]*$/.test(row[column] ?? '')))
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => {
          const room = ' '.repeat((widths[column] ?? 0) - width(cell))
          return (numbers[column] ? room + cell : cell + room) + ' '.repeat(GAP)
        })
        .join('')
        .trimEnd()
    this.print(this.style('bold', line(header)))
    for (const row of rows) this.print(line(row))
  }

  /** True if a table is not wider than the terminal; without a terminal there is room for all. */
  hasRoomFor(header: readonly string[], rows: readonly (readonly string[])[]): boolean {
    const { isTTY, columns } = this.#streams.stdout
    if (!isTTY || columns === undefined) return true
    return widthsOf(header, rows).reduce((sum, one) => sum + one + GAP, -GAP) <= columns
  }

  #blocks(header: readonly string[], rows: readonly (readonly string[])[]): void {
    // The values of all blocks begin at one place.
    const used = header.filter((_, column) => rows.some((row) => (row[column] ?? '') !== ''))
    const longest = Math.max(...used.map(width))
    for (const [index, row] of rows.entries()) {
      if (index > 0) this.print()
      this.fields(
        header.map((title, column) => [title, row[column]] as const),
        longest,
      )
    }
  }

  /** Names and values, one pair a line; pairs with no value are left out. On a narrow terminal a long value goes on below. */
  fields(pairs: readonly (readonly [name: string, value: string | undefined])[], atLeast = 0): void {
    const present = pairs.filter(([, value]) => value !== undefined && value !== '')
    const longest = Math.max(atLeast, ...present.map(([name]) => width(name)))
    const { isTTY, columns = WIDTH } = this.#streams.stdout
    const room = isTTY ? columns - longest - 2 * GAP : Infinity
    for (const [name, value = ''] of present) {
      const label = `  ${this.style('dim', name)}${' '.repeat(longest - width(name) + GAP)}`
      // A word that is longer than the room, such as an ARN, has a line of its own, with as much of it as there is.
      if (value.split(' ').some((word) => width(word) > room)) this.print(`${label.trimEnd()}\n  ${value}`)
      else for (const line of behind(label, value, { columns: isTTY ? columns : Infinity })) this.print(line)
    }
  }

  /** Asks for a line of text; `undefined` where nobody can be asked. Ctrl-C and Ctrl-D are an empty answer. */
  async ask(question: string): Promise<string | undefined> {
    if (!this.interactive) return undefined
    const prompt = createInterface({ input: this.#streams.stdin, output: this.#streams.stderr })
    const left = once(prompt, 'close').then(() => undefined)
    try {
      const answer = await Promise.race([prompt.question(question), left])
      if (answer !== undefined) return answer
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error
    } finally {
      prompt.close()
    }
    this.note('')
    return ''
  }
}

function behind(
  sign: string,
  text: string,
  { isTTY = false, columns = 0 }: { isTTY?: boolean; columns?: number },
): string[] {
  const indent = width(sign)
  const all = columns || WIDTH
  return wrap(text, all - indent, isTTY).map((line, index) => {
    // A long word, such as an ARN, is rather less indented than broken.
    const room = Math.max(0, Math.min(indent, all - width(line)))
    return (index === 0 ? sign : ' '.repeat(room)) + line
  })
}

/** Characters that the cells of each column need. */
function widthsOf(header: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return header.map((title, column) => Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))))
}

function width(text: string): number {
  return stripVTControlCharacters(text).length
}

/** Text of others, in one line and without control characters: those could write anything onto a terminal. */
export function printable(text: string, longest = Infinity): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim()
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}
