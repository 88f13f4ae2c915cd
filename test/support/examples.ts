import { documents } from '../unit/docs/documents'

export interface Example {
  /** Document and line, e.g. `docs/search.md:5`. */
  place: string
  code: string
}

/** TypeScript in the documents, with where it stands. A member of a class is put into one. */
export const examples: readonly Example[] = documents.flatMap(({ path, text }) =>
  Array.from(text.matchAll(/^( *)```ts\n([\s\S]*?)^\1```/gm), ({ 2: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length
    const isMember = /^(\/\/.*\n)*@(Kms|Column)/.test(code) && !/\bclass\b/.test(code)
    return { place: `${path}:${line}`, code: isMember ? `class Example {\n${code}}` : code }
  }),
)
