import { isDeepStrictEqual, stripVTControlCharacters, styleText } from 'node:util'
import { KmsEncryptionError } from 'typeorm-kms-encrypted'
import { columnsOf, wrap } from './layout'

type Style = Extract<Parameters<typeof styleText>[0], string>

const MARGIN = '   '
const NO_STYLE: Style = 'reset'

/** A claim of the story that turned out wrong. */
export class ClaimFailed extends Error {
  override readonly name = 'ClaimFailed'

  constructor(
    readonly claim: string,
    readonly expected: unknown,
    readonly found: unknown,
  ) {
    super(claim)
  }
}

/** Tells the story in the terminal, in colour where the terminal has it, and checks each of its claims. */
export class Narrator {
  /** Claims that held. */
  proven = 0
  /** Parts that could not be told. */
  leftOut = 0
  readonly #out: NodeJS.WriteStream

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  title(text: string, subtitle: string): void {
    this.#print('', text, 'bold')
    this.#print('', subtitle, 'dim')
    this.gap()
  }

  heading(number: number, text: string): void {
    this.gap()
    this.#print('', `${number}. ${text}`, 'cyan')
  }

  say(text: string, style: Style = NO_STYLE): void {
    this.#print(MARGIN, text, style)
  }

  /** Code, SQL or an error's text. */
  quote(text: string): void {
    this.#print(`${MARGIN}  `, text, 'yellow')
  }

  /** Rows of the same number of cells, under a header or without one. */
  table(rows: readonly (readonly string[])[], header?: readonly string[]): void {
    const all = header ? [header, ...rows] : rows
    const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
    for (const row of all) {
      const cells = row.slice(0, -1).map((cell, column) => `${cell.padEnd(widths[column]!)}  `)
      const style = row === header ? 'dim' : NO_STYLE
      this.#print(MARGIN + this.#paint(style, cells.join('')), row.at(-1)!, style)
    }
  }

  gap(): void {
    this.#out.write('\n')
  }

  /** Says a claim, if it is true: `found` is what was expected. Otherwise the story ends here. */
  proves(claim: string, found: unknown, expected: unknown = true): void {
    if (!isDeepStrictEqual(found, expected)) throw new ClaimFailed(claim, expected, found)
    this.proven++
    this.#print(`${MARGIN}${this.#paint('green', '✓')} `, claim)
  }

  /** Says a claim, if `action` fails with an error of the library that has this code, and shows what it says. */
  async provesError(claim: string, code: string, action: () => Promise<unknown>): Promise<void> {
    const error = await action().then(
      () => 'no error',
      (reason: unknown) => reason,
    )
    const known = error instanceof KmsEncryptionError
    this.proves(`${claim}: ${code}.`, known ? error.code : error, code)
    if (known) this.quote(error.message)
  }

  /** Says what is not shown, and why. */
  leaveOut(what: string, reason: string): void {
    this.leftOut++
    this.#print(`${MARGIN}– `, `Left out: ${what}. ${reason}`, 'yellow')
  }

  /** Prints `start` and then a text, whose further lines begin where its first one does. */
  #print(start: string, text: string, style: Style = NO_STYLE): void {
    const width = stripVTControlCharacters(start).length
    for (const [index, line] of wrap(text, columnsOf(this.#out) - width).entries()) {
      this.#out.write(`${index === 0 ? start : ' '.repeat(width)}${this.#paint(style, line)}\n`)
    }
  }

  #paint(style: Style, text: string): string {
    return style === NO_STYLE ? text : styleText(style, text, { stream: this.#out })
  }
}
