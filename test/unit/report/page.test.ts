import { MARK, page } from '../../../src/report/page'
import { neverPromised, promises } from '../../../src/report/promises'
import { type Report } from '../../../src/report/report'
import { ARN, everything, reportedColumn } from './fixture'

/** What the page says, without its marks: as a person reads it. */
function said(html: string): string {
  return html
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
}

/** Elements that are opened and not closed, or the other way round. */
function unbalanced(html: string): string[] {
  const alone = new Set(['meta', 'br', 'rect', 'line'])
  const open: string[] = []
  const wrong: string[] = []
  for (const [tag, closing, name = '', inside = ''] of html.matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
    if (alone.has(name) || inside.endsWith('/')) continue
    if (closing !== '/') open.push(name)
    else if (open.pop() !== name) wrong.push(tag)
  }
  return [...wrong, ...open]
}

describe('The page', () => {
  const html = page(everything)

  test('says what each column holds, with numbers', () => {
    const text = said(html)
    expect(text).toContain('User.privateKey 1,000,000 880,000 0 120,000 0')
    expect(text).toContain('Account.iban 5,000 4,000 0 0 1,000')
    expect(text).toContain('ApiSecret.secret 1,234 1,000 200 34 0')
    expect(text).toContain('Diary.entry could not be looked at')
    expect(text).toContain('Diary.entry: the database role may not read the table diary')
    expect(text).toContain('ApiSecret.secret: 12 earlier versions of rows that hold plaintext')
    expect(text).toContain('Account.iban: 300 values of which the data key is not in the key table')
  })

  test('says of keys how many rows are under them, and how old data keys are', () => {
    const text = said(html)
    expect(text).toContain(`alias/my-app ${ARN} Enabled yearly 2025-01-01`)
    expect(text).toContain('PendingDeletion, to be deleted on 2026-12-24')
    expect(text).toContain(`Account.iban stored ${ARN} 42 2025-06-01 2026-11-20 4,000`)
    expect(text).toContain('made 2025-06-01 to 2026-11-20')
    // 18 months: six of them are one bar.
    expect(html).toContain('before: 910, 2025-12: 490')
  })

  test('says what is found, what is wrong first', () => {
    const text = said(html)
    expect(text.indexOf('Problem database:')).toBeGreaterThan(0)
    expect(text.indexOf('Problem database:')).toBeLessThan(text.indexOf('Warning database:'))
    expect(text).toContain('What to do: restore the key table')
    expect(text).toContain('1 thing that is as it should be')
  })

  test('says what indexes tell', () => {
    const text = said(html)
    expect(text).toContain(
      'Account.iban, last4 what a function makes of the value 1,000, being filled 4,000 900 1.5 % 9.3',
    )
    expect(text).toContain(
      'Account.iban, last4 900 different values, the most frequent in 1.5 % of the rows.',
    )
    expect(text).toContain('Account.iban, index (unique) the value 0 not measured')
    expect(html).toContain(
      'Account.iban, last4: occur once 12.5 %, have the value of others 86.0 %, have the most frequent value 1.5 %',
    )
  })

  test('is one whole page that loads and runs nothing', () => {
    expect(html.startsWith(MARK)).toBe(true)
    expect(unbalanced(html)).toEqual([])
    expect(html).toContain("default-src 'none'")
    expect(html).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\bsrc=|https?:|\bon[a-z]+=/)
    const ids = new Set(Array.from(html.matchAll(/ id="([^"]+)"/g), ([, id]) => id))
    const links = Array.from(html.matchAll(/href="#([^"]+)"/g), ([, id]) => id)
    expect(links.length).toBeGreaterThan(4)
    expect(links.filter((id) => !ids.has(id))).toEqual([])
  })

  test('shows names as they are, whatever is in them', () => {
    const hostile = `</td><script>alert("1")</script>&amp;'\u0000\u001b[31m`
    const text = page({
      ...everything,
      database: { type: 'postgres', name: hostile },
      columns: [
        reportedColumn({ name: hostile, table: hostile, kmsKey: hostile, context: { [hostile]: hostile } }),
      ],
      findings: [{ area: hostile, level: 'problem', message: hostile, remedy: hostile }],
    })
    expect(text).not.toContain('<script')
    expect(text).not.toMatch(/(?!\n)\p{Cc}/u)
    expect(text).toContain('&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;\ufffd')
    expect(unbalanced(text)).toEqual([])
  })

  test('stays small with twenty columns, ten thousand KMS keys and data keys of thirty years', () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => ({
      mode: 'stored' as const,
      kmsKey: `${ARN}-${index}`,
      rows: 5,
      dataKeys: 1,
      oldest: new Date(0),
      newest: new Date(0),
    }))
    const [, column] = everything.columns
    const byMonth = Object.fromEntries(Array.from({ length: 360 }, (_, month) => [`${1990 + month}-01`, 5]))
    const columns = Array.from({ length: 20 }, (_, index) =>
      reportedColumn({
        ...column,
        name: `Entity.column${index}`,
        holds: { ...column!.holds!, keys, byMonth },
      }),
    )
    const kmsKeys = keys.map(({ kmsKey }) => ({ ...everything.kmsKeys[0]!, name: kmsKey }))
    const html = page({ ...everything, columns, kmsKeys })
    expect(Buffer.byteLength(html)).toBeLessThan(500_000)
    expect(said(html)).toContain('And 9,900 more KMS keys; typeorm-kms report --json has all.')
  })
})

describe('What is promised', () => {
  const of = (subject: string, report: Report = everything) =>
    promises(report).find((each) => each.subject === subject)!

  test('depends on what the database holds', () => {
    const { kept, open } = of('Ciphertext only')
    expect(kept).toEqual(['User.privateKey', 'Account.iban'])
    expect(open).toEqual(['ApiSecret.secret', 'Diary.entry'])
  })

  test.each([
    ['Plaintext is refused', ['ApiSecret.secret']],
    ['New values are encrypted', ['ApiSecret.secret']],
    ['Own row only', ['User.privateKey', 'ApiSecret.secret', 'Diary.entry']],
    ['Own keys per tenant', ['User.privateKey', 'ApiSecret.secret', 'Diary.entry']],
    ['Can be forgotten', ['User.privateKey', 'ApiSecret.secret', 'Diary.entry']],
    ['KMS sees no value', ['ApiSecret.secret']],
    ['Each access is recorded', ['User.privateKey', 'Account.iban', 'Diary.entry']],
    ['Equal values look different', ['Account.iban']],
  ])('%s: not for %j', (subject, open) => {
    expect(of(subject).open).toEqual(open)
  })

  test('depends on trusted keys', () => {
    expect(of('Only trusted KMS keys').kept).toEqual([])
    const settings = { ...everything.settings, trustsNamedKeysOnly: true }
    expect(of('Only trusted KMS keys', { ...everything, settings }).open).toEqual([])
  })

  test('says for how long data keys are in memory', () => {
    expect(
      neverPromised({ ...everything, settings: { ...everything.settings, keptInMemory: 90_000 } }),
    ).toEqual(expect.arrayContaining([expect.stringContaining('up to 1.5 minutes')]))
  })
})
