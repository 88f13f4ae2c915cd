import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { documents, root } from '../unit/docs/documents'

export interface Example {
  /** Document and line, e.g. `docs/search.md:5`. */
  place: string
  code: string
}

/** A member of a class is put into one. */
function inClass(code: string): string {
  const isMember = /^(\/\/.*\n)*@(Kms|Column)/.test(code) && !/\bclass\b/.test(code)
  return isMember ? `class Example {\n${code}}` : code
}

/** TypeScript in the documents, with where it stands. */
export const examples: readonly Example[] = documents.flatMap(({ path, text }) =>
  Array.from(text.matchAll(/^( *)```ts\n([\s\S]*?)^\1```/gm), ({ 2: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length
    return { place: `${path}:${line}`, code: inClass(code) }
  }),
)

/** Both sides of the changes in the documents: what an application had, and what it has then. */
export const changes: readonly Example[] = documents.flatMap(({ path, text }) =>
  Array.from(text.matchAll(/^```diff\n([\s\S]*?)^```/gm), ({ 1: code = '', index }) => {
    const place = `${path}:${text.slice(0, index).split('\n').length}`
    const side = (taken: string): string =>
      code
        .split('\n')
        .filter((line) => !line.startsWith(taken === '+' ? '-' : '+'))
        .map((line) => line.slice(1))
        .join('\n')
    return [
      { place: `${place} (before)`, code: side('-') },
      { place: `${place} (after)`, code: side('+') },
    ]
  }).flat(),
)

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.ts'),
)

/** Examples of the doc comments, of which the reference is made. */
export const commented: readonly Example[] = sources.flatMap((path) => {
  const text = readFileSync(join(root, 'src', path), 'utf8')
  return Array.from(text.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```/gm), ({ 1: code = '', index }) => ({
    place: `src/${path}:${text.slice(0, index).split('\n').length}`,
    code: inClass(code.replaceAll(/^ *\* ?/gm, '')),
  }))
})
