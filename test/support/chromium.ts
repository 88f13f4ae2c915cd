import { existsSync, readFileSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Where Debian, Ubuntu and others install it; `CHROMIUM` names another one. */
export const CHROMIUM = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path))

export type Theme = 'light' | 'dark'

/** `describe` for what a browser must show: left out, and the reason printed, where there is no Chromium. */
export function describeInChromium(title: string, body: (browser: () => Browser) => void): void {
  if (CHROMIUM === undefined) {
    process.stdout.write(`${title}: left out, because there is no Chromium (apt-get install chromium).\n`)
    describe.skip(title, () => {
      body(() => {
        throw new Error('There is no Chromium')
      })
    })
    return
  }
  describe(title, () => {
    let browser: Browser | undefined
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
    }, 120_000)
    afterAll(() => browser?.close())
    body(() => browser!)
  })
}

/** A page in a theme and at a width, with what its console complains of. */
export async function openPage(
  browser: Browser,
  url: string,
  { theme, width }: { theme: Theme; width: number },
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 } })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => {
    // What was fetched ahead is ended when the page is left.
    if (request.failure()?.errorText === 'net::ERR_ABORTED') return
    complaints.push(`${request.url()} could not be loaded`)
  })
  await page.goto(url)
  return { page, complaints }
}

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** What an accessibility check finds: the rule, and where. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  // What passes is left where it is: it names every element of the page.
  const found = await page.evaluate<{ id: string; nodes: { target: unknown; failureSummary: string }[] }[]>(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => ({ id, nodes: nodes.slice(0, 3) })))`,
  )
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${String(target)}: ${failureSummary}`),
  )
}
