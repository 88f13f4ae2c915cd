// Builds the site into website/dist: the documents of the repository, and a reference made of the doc comments.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vitepress'
import { root, writePages, writePictures } from './pages.mjs'

const website = join(root, 'website')
const folder = join(website, '.pages')
// What npm tells its children is about the website; the npm that is run here may be about the repository.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
const run = (program, args, cwd) => execFileSync(program, args, { cwd, env, stdio: 'inherit' })

// The reference names types of other packages.
if (!existsSync(join(root, 'node_modules/typeorm'))) run('npm', ['ci', '--no-audit', '--no-fund'], root)

rmSync(folder, { recursive: true, force: true })
writePages(folder)
writePictures(folder)

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.values(exports)
  .filter((entry) => typeof entry !== 'string')
  .map((entry) => entry.require.default.replace('./dist/', '../src/').replace('.js', '.ts'))
run('npx', ['typedoc', ...entries.flatMap((entry) => ['--entryPoints', entry])], website)

await build(website)
