// Prints the public API of what is built in dist/: the declarations of each entry of package.json, by name, without
// comments, and then those that they lead to and that no entry exports. With --write, into the file that a test
// compares it with, so that every change of the API is seen in a review.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports: exported, name: packageName } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.entries(exported).flatMap(([path, entry]) =>
  typeof entry === 'string' ? [] : [{ name: join(packageName, path), file: join(root, entry.require.types) }],
)

const program = ts.createProgram(
  entries.map(({ file }) => file),
  { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.Node16, types: [], skipLibCheck: true },
)
const checker = program.getTypeChecker()
const printer = ts.createPrinter({ removeComments: true })

const report = apiReport()
if (process.argv.includes('--write')) writeFileSync(join(root, 'test/package/api-report.txt'), report)
else process.stdout.write(report)

function apiReport() {
  const seen = new Set()
  const used = new Map()
  const sections = entries.map(({ name, file }) => {
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
    const sorted = symbols.toSorted((a, b) => compare(a.name, b.name))
    for (const symbol of sorted) seen.add(resolved(symbol))
    return [`=== ${name} ===`, ...sorted.map((symbol) => textOf(symbol, used))].join('\n\n')
  })
  const others = []
  for (const [symbol, name] of used) {
    if (seen.has(symbol)) continue
    seen.add(symbol)
    // What it leads to in turn is looked at later in this loop.
    others.push({ name, text: textOf(symbol, used) })
  }
  const hidden = others.toSorted((a, b) => compare(a.name, b.name)).map(({ text }) => text)
  return `${[...sections, ['=== not exported, and part of what is ===', ...hidden].join('\n\n')].join('\n\n')}\n`
}

function textOf(symbol, used) {
  const declarations = resolved(symbol).declarations ?? []
  const texts = declarations.map((declaration) => {
    if (!isOwn(declaration)) return `${symbol.name}, of another package`
    collect(declaration, used)
    const text = printer.printNode(ts.EmitHint.Unspecified, declaration, declaration.getSourceFile())
    return text.replace(/^(?:export )?(?:declare )?/, '')
  })
  // The name by which it is exported, where the bundler gave it another one.
  const own = declarations[0]?.name?.getText()
  return [...(own === symbol.name ? [] : [`${symbol.name} =`]), ...texts].join('\n')
}

/** Declarations of this package that a declaration names. */
function collect(node, used) {
  ts.forEachChild(node, (child) => collect(child, used))
  if (!ts.isIdentifier(node)) return
  const symbol = checker.getSymbolAtLocation(node)
  const named = symbol && resolved(symbol)
  const declaration = named?.declarations?.[0]
  if (declaration && isOwn(declaration) && declaration.parent === declaration.getSourceFile())
    used.set(named, named.name)
}

function resolved(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function isOwn(declaration) {
  return !declaration.getSourceFile().fileName.includes('/node_modules/')
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}
