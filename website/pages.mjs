// Makes the pages of the site of the documents of the repository: copies, with links that lead to other pages.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** The plan: sections with their pages (file, route, title), and folders of which each file is a page. */
const { sections: planned, folders } = JSON.parse(readFileSync(join(root, 'website/contents.json'), 'utf8'))
export { folders }

const known = new Set(planned.flatMap(({ pages }) => pages.map(([from]) => from)))
const unplanned = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md') && !known.has(`docs/${name}`))
  .map((name) => [`docs/${name}`, basename(name, '.md'), titleOf(join(root, 'docs', name))])

/** The sections of the site. A document that has no place in the plan stands at the end. */
export const sections = unplanned.length === 0 ? planned : [...planned, { title: 'More', pages: unplanned }]

/** Every page: the file that it is made of, where it goes, and what it is called in lists. */
export const pages = [
  ...sections.flatMap((section) => section.pages.map(([from, to, title]) => ({ from, to, title }))),
  ...folders.flatMap(([from, to]) =>
    readdirSync(join(root, from))
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => ({
        from: `${from}/${name}`,
        to: `${to}/${basename(name, '.md')}`,
        title: titleOf(join(root, from, name)),
      })),
  ),
]

const routes = new Map(pages.map(({ from, to }) => [from, `/${to}`]))
for (const [from, to] of folders) routes.set(from, `/${to}/`)

function titleOf(file) {
  return /^# (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? basename(file)
}

/** Writes all pages into a folder. */
export function writePages(folder) {
  for (const { from, to } of pages) {
    if (existsSync(join(root, from))) {
      write(join(folder, `${to}.md`), rewritten(readFileSync(join(root, from), 'utf8'), from))
    }
  }
  for (const [from, to, title] of folders) {
    const list = pages.filter((page) => dirname(page.from) === from)
    const links = list.map((page) => `- [${page.title}](/${page.to})`)
    write(join(folder, to, 'index.md'), [`# ${title}`, '', ...links, ''].join('\n'))
  }
  write(join(folder, 'index.md'), readFileSync(join(root, 'website/index.md'), 'utf8'))
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Links to documents lead to their pages; what is no page is named without a link; pictures come in both themes. */
function rewritten(text, from) {
  return text
    .split(/(^```[\s\S]*?^```$)/m)
    .map((part, index) => (index % 2 === 1 ? part : withLinks(part, from)))
    .join('')
}

function withLinks(text, from) {
  return text
    .replace(/!\[([^\]]*)\]\(([^)\s]+)\)/g, (_, alt, target) => picture(alt, join(dirname(from), target)))
    .replace(/\[([^\]]*)\]\(([^)\s]+)\)/g, (link, label, target) => {
      if (/^[a-z]+:/.test(target) || target.startsWith('#')) return link
      const [file, anchor] = target.split('#')
      const to = normalize(join(dirname(from), file)).replace(/\/$/, '')
      const route = routes.get(to)
      if (route) return `[${label}](${route}${anchor ? `#${anchor}` : ''})`
      if (!existsSync(join(root, to))) throw new Error(`${from}: ${target} leads nowhere`)
      return label
    })
}

/** One SVG, drawn for both themes by a media query, becomes two: readers may choose another theme than their system's. */
function picture(alt, file) {
  const name = basename(file, '.svg')
  const image = (theme) =>
    `<img class="only-${theme}" src="/pictures/${name}-${theme}.svg" alt="${alt.replaceAll('"', '&quot;')}">`
  return `\n<p class="picture">${image('light')}${image('dark')}</p>\n`
}

const DARK = /@media \(prefers-color-scheme: dark\) \{([\s\S]*?)\n\s*\}\n(?=\s*(?:\.|<|text))/

/** Writes each picture of `docs/pictures` in both themes. */
export function writePictures(folder) {
  const from = join(root, 'docs/pictures')
  if (!existsSync(from)) return
  for (const name of readdirSync(from).filter((each) => each.endsWith('.svg'))) {
    const svg = readFileSync(join(from, name), 'utf8')
    if (!DARK.test(svg)) throw new Error(`${relative(root, join(from, name))} has no dark theme`)
    const base = join(folder, 'public/pictures', basename(name, '.svg'))
    write(`${base}-light.svg`, svg.replace(DARK, ''))
    write(`${base}-dark.svg`, svg.replace(DARK, '$1'))
  }
}
