import { type Project } from './project'

/** The file that makes the `KmsEncryption` of an application. */
export function encryptionFile(
  { framework, sources }: Project,
  alias: string,
): { path: string; text: string } {
  const folder = sources.some(({ path }) => path.startsWith('src/')) ? 'src/' : ''
  const options = `{ keyId: process.env.KMS_KEY_ID ?? '${alias}' }`
  const text =
    framework === 'nestjs'
      ? `import { type KmsEncryptionOptions } from 'typeorm-kms-encrypted'\n\nexport const encryptionOptions: KmsEncryptionOptions = ${options}\n`
      : `import { kmsEncryption } from 'typeorm-kms-encrypted'\n\nexport const encryption = kmsEncryption(${options})\n`
  return { path: `${folder}encryption.ts`, text }
}

/** Where the encryption goes into TypeORM's options. */
export function configuration({ framework, dataSource, nestModule, database = 'mysql', modules }: Project): {
  where: string
  text: string
} {
  const extension = modules === 'module' ? '.js' : ''
  if (framework === 'nestjs') {
    return {
      where: nestModule ?? 'The module that sets TypeORM up',
      text: `import { KmsEncryption, KmsEncryptionModule } from 'typeorm-kms-encrypted/nestjs'
import { encryptionOptions } from './encryption${extension}'

KmsEncryptionModule.forRoot(encryptionOptions),
TypeOrmModule.forRootAsync({
  inject: [KmsEncryption],
  useFactory: (encryption: KmsEncryption) =>
    encryption.configure({ type: '${database}' /* … as it is */ }),
}),
`,
    }
  }
  return {
    where: dataSource ?? 'The file with the DataSource',
    text: `import { encryption } from './encryption${extension}'

new DataSource(encryption.configure({ type: '${database}' /* … as it is */ }))
`,
  }
}
