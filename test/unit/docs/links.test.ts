import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { codeSpans, documents, document, prose, root } from './documents'

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of prose(text).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${again}`
    anchors.add(anchor)
  }
  return anchors
}

describe.each(documents)('$path', ({ path, text }) => {
  const plain = prose(text)

  test('has no link that leads nowhere', () => {
    const dead = Array.from(plain.matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = '', anchor] = target.split('#')
        const to = file === '' ? path : normalize(join(dirname(path), file))
        if (!existsSync(join(root, to))) return true
        return anchor !== undefined && !anchorsOf(document(to)).has(anchor)
      })
    expect(dead).toEqual([])
  })

  test('names no script of package.json that is not there', () => {
    const named = Array.from(text.matchAll(/\bnpm run ([\w:-]+)/g), ([, name = '']) => name)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('names no test that is not there', () => {
    const places = ['', 'test/integration', 'test/unit', 'test']
    const named = codeSpans(text).filter((code) => /^[\w./-]+\.test\.ts$/.test(code))
    expect(named.filter((name) => !places.some((place) => existsSync(join(root, place, name))))).toEqual([])
  })
})

test('every promise of docs/guarantees.md names files that are there', () => {
  const named = codeSpans(document('docs/guarantees.md')).filter((code) => /^[\w./-]+\.ts$/.test(code))
  const places = ['test/integration', '']
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((name) => !places.some((place) => existsSync(join(root, place, name))))).toEqual([])
})

test('only docs/performance.md says what KMS costs', () => {
  const others = documents.filter(({ path }) => !['docs/performance.md', 'CHANGELOG.md'].includes(path))
  expect(others.filter(({ text }) => /\$\d/.test(prose(text))).map(({ path }) => path)).toEqual([])
})

test('docs/architecture.md names files and folders that are there', () => {
  const named = codeSpans(document('docs/architecture.md')).filter((code) =>
    /^[\w-]+[/][\w./-]*$|^[\w-]+[.]ts$/.test(code),
  )
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((name) => !['src', ''].some((place) => existsSync(join(root, place, name))))).toEqual(
    [],
  )
})
