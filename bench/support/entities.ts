import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { bareTransformer } from '../contenders/node-crypto'
import { typeormEncrypted } from '../contenders/typeorm-encrypted'

/** A row of each contender: the same columns, in a table of its own. */
export interface UserRow {
  id: number
  privateKey: string
}

@Entity()
export class PlainUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @Column() privateKey!: string
}

/** Plain TypeORM that keeps as many bytes as a ciphertext has: what storage alone costs. */
@Entity()
export class BlobUser {
  @PrimaryGeneratedColumn() id!: number
  @Column('blob') privateKey!: Buffer
}

@Entity()
export class TransformedUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @Column({ transformer: typeormEncrypted }) privateKey!: string
}

/** Five lines of transformer around Node's own crypto, under one key that is in the process: nobody can be faster. */
@Entity()
export class BareUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @Column('blob', { transformer: bareTransformer }) privateKey!: string
}

@Entity()
export class EncryptedUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() privateKey!: string
}

/** Its values are opened when they are read. */
@Entity()
export class UnreadUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ open: 'on-read' }) privateKey!: string
}

@Entity()
export class DirectUser implements UserRow {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ mode: 'direct' }) privateKey!: string
}
