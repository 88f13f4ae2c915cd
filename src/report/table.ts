import { type Html, markup } from './html'

/** A column of a table. Numbers stand at the right; numbers and dates are not broken. */
export interface Heading {
  title: string
  kind?: 'number' | 'date'
}

export type Cell = Html | string

/**
 * A table; on a narrow screen each row becomes a block, in which each cell has its heading before it. The first cell of
 * a row is its heading. Roles are said, because browsers forget those of a table that is laid out as blocks.
 */
export function table(
  caption: string,
  headings: readonly Heading[],
  rows: readonly (readonly Cell[])[],
): Html {
  const classOf = (index: number): string => headings[index]?.kind ?? 'text'
  const head = headings.map(
    ({ title }, index) => markup`<th role="columnheader" scope="col" class="${classOf(index)}">${title}</th>`,
  )
  const body = rows.map(
    (cells) =>
      markup`<tr role="row">${cells.map((cell, index) =>
        index === 0
          ? markup`<th role="rowheader" scope="row">${cell}</th>`
          : markup`<td role="cell" data-of="${headings[index]?.title ?? ''}" class="${classOf(index)}">${cell}</td>`,
      )}</tr>\n`,
  )
  return markup`<table role="table"><caption>${caption}</caption><thead role="rowgroup"><tr role="row">${head}</tr></thead><tbody role="rowgroup">${body}</tbody></table>`
}

/** Names and values; pairs without a value are left out. */
export function facts(pairs: readonly (readonly [name: string, value: Cell | undefined])[]): Html {
  const present = pairs.filter(([, value]) => value !== undefined && value !== '')
  return markup`<dl>${present.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}
