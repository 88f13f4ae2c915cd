/** The path of a table as TypeORM has it, e.g. `schema.table`, with each of its names escaped. */
export function escapedPath(path: string, escape: (name: string) => string): string {
  return path
    .split('.')
    .map((name) => escape(name))
    .join('.')
}
