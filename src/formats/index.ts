export { type ForeignFormat } from '../column/foreign-format'
export { prismaFieldEncryption, type PrismaFieldEncryptionFormatOptions } from './prisma-field-encryption'
export { typeormEncrypted, type TypeormEncryptedFormatOptions } from './typeorm-encrypted'
