import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(__dirname, '../../..')

export interface Document {
  /** From the root, e.g. `docs/cli.md`. */
  path: string
  text: string
}

/** What a newcomer reads. Recorded runs of the benchmarks are left out: they say what was. */
export const documents: readonly Document[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\n')
  .filter((path) => path !== '' && !path.startsWith('bench/results/'))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

export function document(path: string): string {
  const found = documents.find((each) => each.path === path)
  if (!found) throw new Error(`there is no ${path}`)
  return found.text
}

/** The text without its code blocks. */
export function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '')
}

/** What stands between backticks outside of code blocks. */
export function codeSpans(text: string): string[] {
  return Array.from(prose(text).matchAll(/`([^`\n]+)`/g), ([, code = '']) => code)
}
