import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { dirname, extname, join, posix } from 'node:path'
import { type Page } from 'playwright-core'
import { describeInChromium, openPage, overflow, violations } from '../support/chromium'
import { root } from '../unit/docs/documents'

const folder = join(root, 'website/dist')
const isBuilt = existsSync(join(folder, 'index.html'))
if (!isBuilt) process.stdout.write('The site: left out, because it is not built (npm run docs).\n')

const pages = isBuilt
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.html') && path !== '404.html',
    )
  : []
const html = new Map(pages.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))

const describeBuilt = isBuilt ? describe : describe.skip

describeBuilt('The site', () => {
  test('has all sections and a reference', () => {
    expect(pages.length).toBeGreaterThan(150)
    for (const name of ['overview', 'concepts', 'start/lambda', 'recipes/jest', 'reference/index/index'])
      expect(pages).toContain(`${name}.html`)
  })

  test('has no link and no anchor that leads nowhere, and no picture that is missing', () => {
    const ids = new Map(
      Array.from(html, ([path, text]) => [
        path,
        new Set(Array.from(text.matchAll(/ id="([^"]+)"/g), ([, id = '']) => id)),
      ]),
    )
    const dead = Array.from(html).flatMap(([path, text]) => {
      const targets = Array.from(text.matchAll(/ (?:href|src)="([^"]+)"/g), ([, target = '']) => target)
      return targets
        .filter((target) => !/^(?:[a-z]+:|\/\/)/.test(target))
        .filter((target) => {
          const [file = '', anchor = ''] = decodeURI(target.replaceAll('&amp;', '&')).split('#')
          const to = file.startsWith('/') ? file.slice(1) : posix.join(dirname(path), file)
          const found = [file === '' ? path : to, `${to}.html`, posix.join(to, 'index.html')].find(
            (each) => html.has(each) || (extname(each) !== '' && existsSync(join(folder, each))),
          )
          if (found === undefined) return true
          return anchor !== '' && ids.get(found)?.has(anchor) !== true
        })
        .map((target) => `${path}: ${target}`)
    })
    expect(dead).toEqual([])
  })

  test('loads nothing from elsewhere', () => {
    const foreign = Array.from(html).flatMap(([path, text]) =>
      Array.from(
        text.matchAll(/<(?:script|link|img|iframe)[^>]+(?:src|href)="https?:[^"]+"/g),
        ([tag]) => `${path}: ${tag}`,
      ),
    )
    expect(foreign).toEqual([])
  })
})

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

/** Terms that readers look for, and a page that must be among the answers. */
const SEARCHES = [
  ['blind index', 'search'],
  ['keyPer', 'row-binding'],
  ['schedule-deletion', 'cli'],
  ['KMS_ACCESS_DENIED', 'overview'],
  ['acceptPlaintext', 'migrations'],
  ['trustedKeys', 'security'],
  ['OpenTelemetry', 'opentelemetry'],
  ['esbuild', 'start/lambda'],
  ['resetModules', 'recipes/jest'],
  ['columnStatus', 'reference/migration/functions/columnStatus'],
] as const

if (isBuilt) {
  describeInChromium('The site in a browser', (browser) => {
    jest.setTimeout(1_800_000)
    let server: Server
    let origin: string

    beforeAll(async () => {
      server = createServer(({ url = '/' }, response) => {
        const path = decodeURI(url.split(/[?#]/)[0] ?? '/')
        const file = join(folder, path.endsWith('/') ? `${path}index.html` : path)
        if (!existsSync(file)) return response.writeHead(404).end()
        response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
        return response.end(readFileSync(file))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    afterAll(() => {
      server.close()
    })

    const screenshot = async (page: Page, name: string): Promise<void> => {
      const where = process.env['SCREENSHOTS']
      if (where === undefined) return
      await page.screenshot({ path: join(where, `${name.replaceAll('/', '-')}.png`), fullPage: true })
    }

    test.each([
      ['light', 360],
      ['dark', 1280],
    ] as const)('in %s at %i pixels each page can be read', async (theme, width) => {
      const { page, complaints } = await openPage(browser(), `${origin}/`, { theme, width })
      const faults: string[] = []
      for (const path of pages) {
        await page.goto(`${origin}/${path}`)
        await page.waitForFunction('document.querySelector("#app").__vue_app__ !== undefined')
        const wider = await overflow(page)
        if (wider > 0) faults.push(`${path} is ${wider} pixels wider than the window`)
        faults.push(...(await violations(page)).map((fault) => `${path}: ${fault}`))
        await screenshot(page, `${path}-${theme}-${width}`)
      }
      expect(faults).toEqual([])
      expect(complaints).toEqual([])
      await page.context().close()
    })

    test.each(SEARCHES)('a search for %s finds %s', async (term, found) => {
      const { page } = await openPage(browser(), `${origin}/concepts.html`, { theme: 'light', width: 1280 })
      await page
        .getByRole('button', { name: /search/i })
        .first()
        .click()
      await page.locator('#localsearch-input').fill(term)
      await page.locator('.results a.result').first().waitFor()
      const links = await page
        .locator('.results a.result')
        .evaluateAll((all) =>
          all.map(
            (link) => (link as { getAttribute(name: string): string | null }).getAttribute('href') ?? '',
          ),
        )
      expect(links.filter((link) => link.startsWith(`/${found}.html`)).length).toBeGreaterThan(0)
      await page.context().close()
    })
  })
}
