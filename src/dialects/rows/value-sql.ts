import { type ColumnLayout } from '../column-layout'

/** True for a value that begins like a ciphertext of any version, as bytes or in base64 (`C1`; `wQE`). */
export function beginsLikeCiphertext(layout: ColumnLayout): string {
  const { dialect } = layout
  const bytes = dialect.bytesSql(layout)
  // Of an empty value SQLite has no first byte but NULL.
  return (
    `(SUBSTR(${bytes}, 1, 1) = ${dialect.bytesLiteral('c1')}` +
    ` OR SUBSTR(${bytes}, 1, 3) = ${dialect.bytesLiteral('775145')}) IS TRUE`
  )
}
