import 'reflect-metadata'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import * as imported from 'typeorm-kms-encrypted'
import * as importedLocalKms from 'typeorm-kms-encrypted/local-kms'
import required = require('typeorm-kms-encrypted')
import requiredLocalKms = require('typeorm-kms-encrypted/local-kms')

// Half of this application requires the package and half of it imports it: they must meet in one registry.
@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @imported.KmsEncrypted() privateKey!: string
  @required.KmsEncrypted({ nullable: true }) recovery!: { codes: string[] } | null
}

const client = new importedLocalKms.LocalKms({ quiet: true }).client()
const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
const encryption = imported.kmsEncryption({ keyId: KeyMetadata?.KeyId ?? '', client })
const dataSource = new DataSource(
  encryption.configure({
    type: 'sqljs',
    entities: [User],
    synchronize: true,
  }),
)
await dataSource.initialize()

const users = dataSource.getRepository(User)
await users.save({ email: 'a@example.org', privateKey: 'a private key', recovery: { codes: ['1', '2'] } })
const { privateKey, recovery } = await users.findOneByOrFail({ email: 'a@example.org' })
const rows: { privateKey: Uint8Array }[] = await dataSource.query('SELECT * FROM user')
const error: unknown = await users.findOneBy({ privateKey }).catch((error: unknown) => error)
await dataSource.destroy()

console.log(
  JSON.stringify({
    privateKey,
    recovery,
    row: Buffer.from(rows[0].privateKey).toString('hex', 0, 3),
    sameError: error instanceof imported.SearchRefusedError && error instanceof required.KmsEncryptionError,
    onlyImported: [...differing(imported, required), ...differing(importedLocalKms, requiredLocalKms)],
    onlyRequired: [...differing(required, imported), ...differing(requiredLocalKms, importedLocalKms)],
  }),
)

function differing(one: object, other: object): string[] {
  return Object.entries(one)
    .filter(([name, value]) => Reflect.get(other, name) !== value)
    .map(([name]) => name)
}
