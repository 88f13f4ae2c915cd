import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { githubSlug } from '../github-slug.mjs'
import { folders, sections } from '../pages.mjs'
import { referenceSidebar } from '../reference.mjs'

const website = fileURLToPath(new URL('..', import.meta.url))

/** What a browser asks for on every page. */
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 0 0-4 0z" fill="#1a7f5a"/></svg>`

const reference = referenceSidebar(join(website, '.pages/reference'))

const sidebar = [
  ...sections.map(({ title, pages }) => ({
    text: title,
    items: pages.map(([, to, text]) => ({ text, link: `/${to}` })),
  })),
  ...folders.map(([, to, title]) => ({
    text: title,
    link: `/${to}/`,
  })),
  { text: 'Reference', items: reference.map(({ text, link }) => ({ text, link })) },
]

export default defineConfig({
  title: 'typeorm-kms-encrypted',
  description: 'Transparently encrypted TypeORM columns under AWS KMS',
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.vitepress/cache',
  cleanUrls: false,
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: githubSlug },
    toc: { slugify: githubSlug },
    headers: { slugify: githubSlug },
  },
  themeConfig: {
    // In the page itself, so that it works without a network.
    search: {
      provider: 'local',
      options: {
        // Documents come before what lists names, and before what says how something came about.
        miniSearch: {
          searchOptions: {
            boostDocument: (id) => (/^\/(?:reference|decisions|changelog)\b/.test(id) ? 0.2 : 1),
          },
        },
      },
    },
    nav: [
      { text: 'Start', link: '/start/node' },
      { text: 'Security review', link: '/security' },
      { text: 'Reference', link: '/reference/' },
    ],
    sidebar: { '/': sidebar, '/reference/': [{ text: 'Reference', items: reference }] },
    outline: 'deep',
    docFooter: { prev: 'Before', next: 'Next' },
  },
})
