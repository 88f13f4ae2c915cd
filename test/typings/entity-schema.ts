import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm'
import { kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { expectType } from './expect-type'

interface User {
  id: number
  privateKey: string
  recovery: string[] | null
}

export const UserSchema = new EntitySchema<User>({
  name: 'User',
  columns: {
    id: { type: Number, primary: true, generated: true },
    privateKey: kmsEncryptedColumn({ type: 'string', maxLength: 4096 }),
    recovery: kmsEncryptedColumn({ type: 'json', nullable: true }),
  },
})

expectType<EntitySchemaColumnOptions, ReturnType<typeof kmsEncryptedColumn>>(true)

export const refused = (): EntitySchemaColumnOptions[] => [
  // @ts-expect-error there is no design:type in a schema, so the type must be given
  kmsEncryptedColumn(),
  // @ts-expect-error nothing else tells the type
  kmsEncryptedColumn({ nullable: true }),
  // @ts-expect-error given means given
  kmsEncryptedColumn({ type: undefined }),
  // @ts-expect-error a type of the database is not a value type
  kmsEncryptedColumn({ type: 'text' }),
  // @ts-expect-error a database default would be plaintext
  kmsEncryptedColumn({ type: 'string', default: 'none' }),
  // @ts-expect-error a ciphertext cannot be found again by its value
  kmsEncryptedColumn({ type: 'string', primary: true }),
  // @ts-expect-error an array is encrypted as one value
  kmsEncryptedColumn({ type: 'string', array: true }),
  // @ts-expect-error the database cannot check a ciphertext
  kmsEncryptedColumn({ type: 'string', enum: ['a', 'b'] }),
  // @ts-expect-error the library itself is the transformer
  kmsEncryptedColumn({ type: 'string', transformer: { to: String, from: String } }),
]
