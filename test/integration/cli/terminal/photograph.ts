import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { CHROMIUM } from '../../../support/chromium'

const COLOURS: Readonly<Record<string, string>> = {
  1: 'font-weight:bold',
  2: 'opacity:.6',
  31: 'color:#ff7b72',
  32: 'color:#3fb68b',
  33: 'color:#d29922',
  36: 'color:#56d4dd',
}

/** A picture of what stood on a terminal, in the folder `SCREENSHOTS`; none without it, or without a Chromium. */
export async function photograph(name: string, screen: string, columns: number): Promise<void> {
  const folder = process.env['SCREENSHOTS']
  if (folder === undefined || CHROMIUM === undefined) return
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage()
    await page.setContent(
      `<pre style="background:#0f1419;color:#e6edf3;font:14px/1.3 monospace;width:${columns}ch;padding:1ch;white-space:pre-wrap;word-break:break-all;display:inline-block">${html(screen)}</pre>`,
    )
    await page.locator('pre').screenshot({ path: join(folder, `${name}.png`) })
  } finally {
    await browser.close()
  }
}

/** A line that was written over shows its last bar, and what stood there in the end. */
function html(screen: string): string {
  const lines = screen.split('\r\n').map((line) => {
    const states = line.split('\r').filter((state) => !/^(?:\p{Cc}\[K)?$/u.test(state))
    const bar = states.findLast((state) => state.includes('░'))
    return [...(bar === undefined ? [] : [bar]), states.at(-1) ?? ''].join('\n')
  })
  return lines
    .join('\n')
    .replace(/[&<]/g, (sign) => (sign === '&' ? '&amp;' : '&lt;'))
    .replace(/\p{Cc}\[(\d*)m/gu, (_, code: string) =>
      code in COLOURS ? `</span><span style="${COLOURS[code] ?? ''}">` : '</span><span>',
    )
    .replace(/\p{Cc}\[K/gu, '')
    .replace(/^/, '<span>')
    .concat('</span>')
}
