import { dirname, posix } from 'node:path'
import { type Project } from './project'

/** A file, or what to change in one. */
export interface Paste {
  readonly where: string
  readonly text: string
}

/** The file that makes the `KmsEncryption` of an application. */
export function encryptionFile(project: Project, alias: string): { path: string; text: string } {
  const options = `{ keyId: process.env.KMS_KEY_ID ?? '${alias}' }`
  const text =
    project.framework === 'nestjs'
      ? `import { type KmsEncryptionOptions } from 'typeorm-kms-encrypted'\n\nexport const encryptionOptions: KmsEncryptionOptions = ${options}\n`
      : `import { kmsEncryption } from 'typeorm-kms-encrypted'\n\nexport const encryption = kmsEncryption(${options})\n`
  return { path: `${inSources(project) ? 'src/' : ''}encryption.ts`, text }
}

/** Where the encryption goes into TypeORM's options. */
export function configuration(project: Project): Paste[] {
  return project.framework === 'nestjs' ? inNest(project) : [inDataSource(project)]
}

function inNest(project: Project): Paste[] {
  const { nestModule, dataSource } = project
  const inModule = {
    where: nestModule ?? 'The module that sets TypeORM up',
    text: `import { KmsEncryption, KmsEncryptionModule } from 'typeorm-kms-encrypted/nestjs'
import { encryptionOptions } from '${importFrom(project, nestModule)}'

KmsEncryptionModule.forRoot(encryptionOptions),
TypeOrmModule.forRootAsync({
  inject: [KmsEncryption],
  useFactory: (encryption: KmsEncryption) =>
    encryption.configure({ type: '${databaseOf(project)}' /* … as it is */ }),
}),
`,
  }
  const file = dataSource ?? 'ormconfig.ts'
  const inFile = {
    where: dataSource ?? 'ormconfig.ts, which the tools of TypeORM and of this library are given',
    text: `import { DataSource } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { encryptionOptions } from '${importFrom(project, file)}'

export default new DataSource(
  kmsEncryption(encryptionOptions).configure({ type: '${databaseOf(project)}' /* … as ${dataSource === undefined ? 'in the module, with entities and migrations' : 'it is'} */ }),
)
`,
  }
  return [inModule, inFile]
}

function inDataSource(project: Project): Paste {
  const { dataSource } = project
  return {
    where: dataSource ?? 'The file with the DataSource',
    text: `import { encryption } from '${importFrom(project, dataSource)}'

new DataSource(encryption.configure({ type: '${databaseOf(project)}' /* … as it is */ }))
`,
  }
}

function databaseOf({ database = 'mysql' }: Project): string {
  return database
}

function inSources({ sources }: Project): boolean {
  return sources.some(({ path }) => path.startsWith('src/'))
}

/** How a file imports the one with the encryption. */
function importFrom(project: Project, file: string | undefined): string {
  const to = inSources(project) ? 'src/encryption' : 'encryption'
  const path = posix.relative(dirname(file ?? to), to)
  return `${path.startsWith('.') ? '' : './'}${path}${project.modules === 'module' ? '.js' : ''}`
}

/** What is typed after the code is pasted, in this order. */
export function commandsFor(project: Project, alias: string): string[] {
  const { packages, migrations, dataSource = 'ormconfig.ts' } = project
  const isTypeScript = /ts$/.test(dataSource)
  const loader = isTypeScript ? LOADERS.find((name) => packages.has(name)) : undefined
  const missing = ['typeorm-kms-encrypted', '@aws-sdk/client-kms'].filter((name) => !packages.has(name))
  return [
    ...(missing.length > 0 ? [`npm install ${missing.join(' ')}`] : []),
    ...(isTypeScript && loader === undefined ? ['npm install --save-dev @swc-node/register @swc/core'] : []),
    `npx typeorm-kms keys create --alias ${alias} --rotation --description 'Columns of this application'`,
    `npx typeorm-kms migration:generate -d ${dataSource} ${migrations}/EncryptColumns`,
    `${typeormTool(project, isTypeScript, loader)} migration:run -d ${dataSource}`,
    `npx typeorm-kms keys policy -d ${dataSource} --for application`,
    `npx typeorm-kms doctor -d ${dataSource}`,
  ]
}

const LOADERS = ['@swc-node/register', 'tsx', 'ts-node']

/** TypeORM's own tool loads TypeScript only where something teaches Node to. */
function typeormTool({ modules }: Project, isTypeScript: boolean, loader = '@swc-node/register'): string {
  if (!isTypeScript) return 'npx typeorm'
  const isModule = modules === 'module'
  switch (loader) {
    case 'ts-node':
      return `npx typeorm-ts-node-${isModule ? 'esm' : 'commonjs'}`
    case 'tsx':
      return 'npx tsx node_modules/typeorm/cli.js'
    default:
      return `node ${isModule ? '--import @swc-node/register/esm-register' : '-r @swc-node/register'} node_modules/typeorm/cli.js`
  }
}
