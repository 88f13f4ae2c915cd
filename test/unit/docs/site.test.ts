import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { documents, root } from './documents'

interface Plan {
  sections: { title: string; pages: [from: string, to: string, title: string][] }[]
  folders: [from: string, to: string, title: string][]
}

test('every document has its place on the site, once', () => {
  const { sections, folders } = JSON.parse(readFileSync(join(root, 'website/contents.json'), 'utf8')) as Plan
  const planned = sections.flatMap(({ pages }) => pages.map(([from]) => from))
  const routes = sections.flatMap(({ pages }) => pages.map(([, to]) => to))
  expect(planned.filter((from) => !existsSync(join(root, from)))).toEqual([])
  expect(new Set(planned).size).toBe(planned.length)
  expect(new Set(routes).size).toBe(routes.length)
  const without = documents
    .map(({ path }) => path)
    .filter((path) => !planned.includes(path) && !folders.some(([folder]) => path.startsWith(`${folder}/`)))
    // A document that the plan does not name stands at the end of the site, under "More".
    .filter((path) => !/^docs\/[\w-]+\.md$/.test(path) && !path.startsWith('website/'))
  expect(without).toEqual([])
})
