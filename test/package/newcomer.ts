import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { LocalKms, type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { root, run } from './run'

/** Blocks of a document in a language, from a heading on, as they stand. */
export function blocksOf(path: string, language: string, heading = ''): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  const from = text.slice(text.indexOf(heading))
  return Array.from(
    from.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm')),
    ([, code = '']) => code,
  )
}

/** The one thing that a newcomer has and this machine need not: a server with the application's database. */
export function onSqlite(code: string): string {
  const server =
    /type: 'mysql',\s*url: (process\.env\.DATABASE_URL|config\.getOrThrow<string>\('DATABASE_URL'\))/
  if (!server.test(code)) throw new Error('The example names no server any more')
  return code.replace(server, "type: 'better-sqlite3', database: 'app.sqlite', synchronize: true")
}

/** Who has an empty folder, the package, and the documents; and the embedded KMS in the place of AWS. */
export class Newcomer {
  private constructor(
    readonly folder: string,
    readonly kms: LocalKmsServer,
  ) {}

  static async in(folder: string, packages: readonly string[]): Promise<Newcomer> {
    for (const name of packages) {
      const link = join(folder, 'node_modules', name)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), link, 'junction')
    }
    return new Newcomer(folder, await new LocalKms({ quiet: true }).listen())
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text)
  }

  /** A line of a document, typed into a shell. */
  type(command: string): Promise<string> {
    const bin = [join(this.folder, 'node_modules/.bin'), join(root, 'node_modules/.bin')].join(delimiter)
    const environment = {
      PATH: bin + delimiter + (process.env['PATH'] ?? ''),
      AWS_ENDPOINT_URL_KMS: this.kms.url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'newcomer',
      AWS_SECRET_ACCESS_KEY: 'newcomer',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      KMS_KEY_ID: 'alias/my-app',
    }
    return run('sh', ['-ec', command.replace(/^npx /gm, '')], this.folder, environment)
  }
}
