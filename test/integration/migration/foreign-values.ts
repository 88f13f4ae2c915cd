import { fieldEncryptionMiddleware } from 'prisma-field-encryption'
import { EncryptionTransformer } from 'typeorm-encrypted'

export const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
export const GCM = { key: KEY, algorithm: 'aes-256-gcm', ivLength: 12 }
export const CBC = { key: KEY, algorithm: 'aes-256-cbc', ivLength: 16 }
export const PRISMA = `k1.aesgcm256.${Buffer.from(KEY, 'hex').toString('base64url')}=`

/** What typeorm-encrypted hands to TypeORM, and so to the database. */
export function byTypeormEncrypted(value: string): string {
  return new EncryptionTransformer(GCM).to(value) as string
}

/** What prisma-field-encryption hands to Prisma, and so to the database, for a field that is `/// @encrypted`. */
export async function byPrisma(value: string, encryptionKey = PRISMA): Promise<string> {
  const field = { isList: false, isUnique: false }
  const fields = [
    { ...field, name: 'id', type: 'Int', isId: true },
    { ...field, name: 'prisma', type: 'String', isId: false, documentation: '@encrypted' },
  ]
  const dmmf = { datamodel: { models: [{ name: 'Member', fields }] } }
  const encrypt = fieldEncryptionMiddleware({ encryptionKey, dmmf })
  const params = { args: { data: { id: 1, prisma: value } }, dataPath: [], runInTransaction: false }
  return encrypt({ ...params, model: 'Member', action: 'create' }, ({ args }) =>
    Promise.resolve((args as typeof params.args).data.prisma),
  ) as Promise<string>
}
