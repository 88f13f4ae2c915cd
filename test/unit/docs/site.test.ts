import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { documents, prose, root } from './documents'

interface Plan {
  sections: { title: string; pages: [from: string, to: string, title: string][] }[]
  folders: [from: string, to: string, title: string][]
}

function plan(): Plan {
  return JSON.parse(readFileSync(join(root, 'website/contents.json'), 'utf8')) as Plan
}

test('every document has its place on the site, once', () => {
  const { sections, folders } = plan()
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

describe('The pages that the site is built of', () => {
  const folder = mkdtempSync(join(tmpdir(), 'site-pages-'))
  const pages = new Map<string, string>()
  let slug: (heading: string) => string

  beforeAll(() => {
    const script = `
      import { writePages, writePictures } from ${JSON.stringify(join(root, 'website/pages.mjs'))}
      writePages(${JSON.stringify(folder)})
      writePictures(${JSON.stringify(folder)})`
    execFileSync(process.execPath, ['--input-type=module', '-e', script])
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (path.endsWith('.md')) pages.set(`/${path.slice(0, -3)}`, readFileSync(join(folder, path), 'utf8'))
    const source = readFileSync(join(root, 'website/github-slug.mjs'), 'utf8')
    slug = runInNewContext(`${source.replace('export function githubSlug', '(function')})`) as typeof slug
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  const anchorsOf = (text: string): Set<string> =>
    new Set(Array.from(prose(text).matchAll(/^#+ (.+)$/gm), ([, heading = '']) => slug(heading)))

  test('have links and anchors that lead somewhere, and pictures in both themes', () => {
    expect(pages.size).toBeGreaterThan(60)
    const dead = Array.from(pages).flatMap(([path, text]) => {
      const links = Array.from(prose(text).matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => target)
      const pictures = Array.from(prose(text).matchAll(/ src="([^"]+)"/g), ([, target = '']) => target)
      return [
        ...links
          .filter((target) => !/^[a-z]+:/.test(target))
          // The reference is made of the doc comments when the site is built, which refuses dead links.
          .filter((target) => !target.startsWith('/reference/'))
          .filter((target) => {
            const [file = '', anchor] = target.split('#')
            const page = pages.get(file === '' ? path : file.replace(/\/$/, '/index'))
            return page === undefined || (anchor !== undefined && !anchorsOf(page).has(anchor))
          }),
        ...pictures.filter((target) => !existsSync(join(folder, 'public', target))),
      ].map((target) => `${path}: ${target}`)
    })
    expect(dead).toEqual([])
  })

  test('stand in ten sections, the reference among them', () => {
    const { sections } = plan()
    expect([...sections.map(({ title }) => title), 'Reference']).toEqual([
      'Start',
      'Concepts',
      'Columns and search',
      'Live migration',
      'Operations',
      'Security review',
      'Recipes',
      'Coming from others',
      'The project',
      'Reference',
    ])
  })

  // Nobody who hears a page instead of seeing it knows what such a column is about.
  test('have no table with a heading that says nothing', () => {
    const empty = Array.from(pages).flatMap(([path, text]) =>
      Array.from(prose(text).matchAll(/^\|(.+)\|\n\| ?:?-/gm), ([, heads = '']) => heads)
        .filter((heads) => heads.split('|').some((head) => head.trim() === ''))
        .map((heads) => `${path}: ${heads}`),
    )
    expect(empty).toEqual([])
  })
})
