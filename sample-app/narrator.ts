import { isDeepStrictEqual, styleText } from 'node:util'
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
      this.#print(MARGIN + cells.join(''), row.at(-1)!, style)
    }
  }

  gap(): void {
    this.#out.write('\n')
  }

  /** Says a claim, if it is true: `found` is what was expected. Otherwise the story ends here. */
  proves(claim: string, found: unknown, expected: unknown = true): void {
    if (!isDeepStrictEqual(found, expected)) throw new ClaimFailed(claim, expected, found)
    this.proven++
    this.#print(`${MARGIN}✓ `, claim, 'green', 'mark')
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
    this.#print(`${MARGIN}– `, `Left out: ${what}. ${reason}`, 'yellow')
  }

  /** Prints a text in lines of its own, all as far from the left as the first. The style is for it or for its mark. */
  #print(first: string, text: string, style: Style, styled: 'text' | 'mark' = 'text'): void {
    const paint = (part: string) =>
      style === NO_STYLE ? part : styleText(style, part, { stream: this.#out })
    for (const [index, line] of wrap(text, columnsOf(this.#out) - first.length).entries()) {
      const start = index === 0 ? first : ' '.repeat(first.length)
      this.#out.write(`${styled === 'mark' ? paint(start) + line : start + paint(line)}\n`)
    }
  }
}
