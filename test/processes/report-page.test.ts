import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { page as made } from '../../src/report/page'
import { describeInChromium, openPage, overflow, violations } from '../support/chromium'
import { everything } from '../unit/report/fixture'

describeInChromium('The report in a browser', (browser) => {
  const folder = mkdtempSync(join(tmpdir(), 'report-page-'))
  const file = join(folder, 'report.html')
  const url = pathToFileURL(file).href

  beforeAll(() => {
    writeFileSync(file, made(everything))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test.each([
    ['light', 1280],
    ['light', 360],
    ['dark', 1280],
    ['dark', 360],
  ] as const)('is readable in %s at %i pixels', async (theme, width) => {
    const { page, complaints } = await openPage(browser(), url, { theme, width })
    expect(await page.title()).toContain('Encrypted columns of shop')
    expect(await overflow(page)).toBe(0)
    expect(await violations(page)).toEqual([])
    expect(complaints).toEqual([])
    if (process.env['SCREENSHOTS'])
      await page.screenshot({
        path: join(process.env['SCREENSHOTS'], `report-${theme}-${width}.png`),
        fullPage: true,
      })
    await page.context().close()
  })

  test('is printed dark on white, whatever the theme', async () => {
    const { page } = await openPage(browser(), url, { theme: 'dark', width: 1280 })
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    const colours = await page.evaluate<string[]>(
      '[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]',
    )
    expect(colours).toEqual(['rgb(255, 255, 255)', 'rgb(0, 0, 0)'])
    if (process.env['SCREENSHOTS'])
      writeFileSync(join(process.env['SCREENSHOTS'], 'report.pdf'), await page.pdf({ format: 'A4' }))
    await page.context().close()
  })
})
