// The sidebar of the reference, by what TypeDoc wrote.
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const KINDS = ['functions', 'classes', 'interfaces', 'type-aliases', 'variables', 'enumerations']

export function referenceSidebar(folder) {
  if (!existsSync(folder)) return []
  const modules = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return modules.map(({ name }) => ({
    text: name === 'index' ? 'typeorm-kms-encrypted' : `…/${name}`,
    link: `/reference/${name}/`,
    // Not folded: a heading that folds is a button inside of a button, which screen readers cannot tell.
    items: KINDS.filter((kind) => existsSync(join(folder, name, kind))).flatMap((kind) =>
      readdirSync(join(folder, name, kind)).map((file) => ({
        text: basename(file, '.md'),
        link: `/reference/${name}/${kind}/${basename(file, '.md')}`,
      })),
    ),
  }))
}
