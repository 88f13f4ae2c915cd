import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { githubSlug } from '../github-slug.mjs'
import { folders, sections } from '../pages.mjs'
import { referenceSidebar } from '../reference.mjs'

const website = fileURLToPath(new URL('..', import.meta.url))

const sidebar = [
  ...sections.map(({ title, pages }) => ({
    text: title,
    items: pages.map(([, to, text]) => ({ text, link: `/${to}` })),
  })),
  ...folders.map(([, to, title]) => ({
    text: title,
    link: `/${to}/`,
  })),
  { text: 'Reference', items: referenceSidebar(join(website, '.pages/reference')) },
]

export default defineConfig({
  title: 'typeorm-kms-encrypted',
  description: 'Transparently encrypted TypeORM columns under AWS KMS',
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.vitepress/cache',
  cleanUrls: false,
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: githubSlug },
    toc: { slugify: githubSlug },
    headers: { slugify: githubSlug },
  },
  themeConfig: {
    // In the page itself, so that it works without a network.
    search: { provider: 'local' },
    nav: [
      { text: 'Start', link: '/start/node' },
      { text: 'Security review', link: '/security' },
      { text: 'Reference', link: '/reference/' },
    ],
    sidebar,
    outline: 'deep',
    docFooter: { prev: 'Before', next: 'Next' },
  },
})
