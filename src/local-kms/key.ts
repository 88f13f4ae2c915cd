import { randomUUID } from 'node:crypto'

import { KmsException, unsupported } from './exception'
import { KeyMaterial, type KeyMaterialRecord, type RotationType } from './key-material'
import { algorithmsOf, type KeyUsage } from './key-spec'
import { type MultiRegion } from './multi-region'

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingReplicaDeletion'

/** A key as the key file holds it. */
export interface KeyRecord {
  keyId: string
  arn: string
  description: string
  keySpec: string
  keyUsage: KeyUsage
  createdAt: number
  state: KeyState
  deletionDate?: number | undefined
  rotation?: { periodInDays: number; next: number } | undefined
  tags: [key: string, value: string][]
  /** Empty in a replica, which has its primary key's. */
  materials: KeyMaterialRecord[]
  lastUsage?: LastUsage | undefined
  /** The Region of the primary key, in a multi-Region key. */
  primaryRegion?: string | undefined
  /** Days until a primary key is deleted, from when its last replica is. */
  pendingDays?: number | undefined
}

/** The last cryptographic operation that succeeded. */
export interface LastUsage {
  operation: string
  at: number
}

/** Days and milliseconds. */
export const DAY = 24 * 60 * 60 * 1000

/**
 * A KMS key: what `DescribeKey` tells, its state, and the generations of its material, which are private.
 * Dates are milliseconds since 1970.
 *
 * Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
 */
export class Key {
  readonly keyId: string
  readonly arn: string
  readonly keySpec: string
  readonly keyUsage: KeyUsage
  readonly createdAt: number
  readonly tags: Map<string, string>
  description: string
  /** The key file has it as of the last change of a key or an alias. */
  lastUsage: LastUsage | undefined
  #state: KeyState
  #deletionDate: number | undefined
  #pendingDays: number | undefined
  #rotation: { periodInDays: number; next: number } | undefined
  readonly #materials: KeyMaterial[]
  /** Set for a multi-Region key. */
  readonly #regions: MultiRegion<Key> | undefined

  /** `regions`: how a multi-Region key finds its primary key and its replicas. */
  constructor(record: KeyRecord, regions?: MultiRegion<Key>) {
    this.keyId = record.keyId
    this.arn = record.arn
    this.keySpec = record.keySpec
    this.keyUsage = record.keyUsage
    this.createdAt = record.createdAt
    this.tags = new Map(record.tags)
    this.description = record.description
    this.#rotation = record.rotation
    this.lastUsage = record.lastUsage
    this.#state = record.state
    this.#deletionDate = record.deletionDate
    this.#pendingDays = record.pendingDays
    this.#regions = regions
    this.#materials = record.materials.map((material) => new KeyMaterial(material))
  }

  static create(
    given: Pick<KeyRecord, 'keySpec' | 'keyUsage' | 'description' | 'createdAt' | 'tags'>,
    arnOf: (keyId: string) => string,
    regionsOf?: (keyId: string) => MultiRegion<Key>,
  ): Key {
    const keyId = regionsOf ? `mrk-${randomUUID().replaceAll('-', '')}` : randomUUID()
    const symmetric = given.keySpec === 'SYMMETRIC_DEFAULT'
    const materials = symmetric ? [KeyMaterial.generate(given.createdAt).toRecord()] : []
    return new Key({ ...given, keyId, arn: arnOf(keyId), state: 'Enabled', materials }, regionsOf?.(keyId))
  }

  /** The multi-Region key that this one is, with its Regions. */
  get regions(): MultiRegion<Key> | undefined {
    return this.#regions
  }

  get isReplica(): boolean {
    return this.#regions?.isReplica === true
  }

  /** The key whose material and rotation this one has: its primary key, or itself. */
  get #primary(): Key {
    return this.#regions?.primary ?? this
  }

  /** Automatic rotation, which a replica shares with its primary key. */
  get rotation(): { periodInDays: number; next: number } | undefined {
    return this.#primary.#rotation
  }

  set rotation(rotation: { periodInDays: number; next: number } | undefined) {
    this.#primary.#rotation = rotation
  }

  get state(): KeyState {
    return this.#state
  }

  get deletionDate(): number | undefined {
    return this.#deletionDate
  }

  get symmetric(): boolean {
    return this.keySpec === 'SYMMETRIC_DEFAULT'
  }

  /** The generations of material, the current one last. */
  get materials(): readonly KeyMaterial[] {
    return this.#primary.#materials
  }

  /** The material that encrypts now. */
  get currentMaterial(): KeyMaterial {
    const material = this.materials.at(-1)
    if (!material) throw unsupported(`The embedded KMS has no key material for KeySpec ${this.keySpec}.`)
    return material
  }

  /** @throws `DisabledException` or `KMSInvalidStateException` unless the key is enabled. */
  requireEnabled(): void {
    this.requireNotPendingDeletion()
    if (this.#state === 'Disabled') throw new KmsException('DisabledException', `${this.arn} is disabled.`)
  }

  /** @throws `KMSInvalidStateException` when the key is scheduled for deletion. */
  requireNotPendingDeletion(): void {
    if (this.#state === 'PendingReplicaDeletion') {
      throw new KmsException('KMSInvalidStateException', `${this.arn} is pending replica deletion.`)
    }
    if (this.#state !== 'PendingDeletion') return
    throw new KmsException('KMSInvalidStateException', `${this.arn} is pending deletion.`)
  }

  /** @throws `UnsupportedOperationException` for a replica, whose rotation is its primary key's. */
  requireNoReplica(): void {
    if (this.isReplica) throw unsupported(`${this.arn} is a multi-Region replica key.`)
  }

  /** @throws `UnsupportedOperationException`, without a message as at AWS, for keys that cannot be rotated. */
  requireSymmetric(): void {
    if (!this.symmetric) throw unsupported()
  }

  enable(): void {
    this.requireNotPendingDeletion()
    this.#state = 'Enabled'
  }

  disable(): void {
    this.requireNotPendingDeletion()
    this.#state = 'Disabled'
  }

  /** A primary key with replicas waits for their deletion first, and then as many days. */
  scheduleDeletion(now: number, days: number): void {
    this.requireNotPendingDeletion()
    this.#pendingDays = days
    this.#state = 'PendingReplicaDeletion'
    this.replicasDeleted(now)
  }

  /** Lets the waiting time begin, once there is no replica. */
  replicasDeleted(now: number): void {
    if (this.#state !== 'PendingReplicaDeletion' || this.#pendingDays === undefined) return
    if (!this.isReplica && (this.#regions?.replicas.length ?? 0) > 0) return
    this.#state = 'PendingDeletion'
    this.#deletionDate = now + this.#pendingDays * DAY
  }

  /** Leaves the key disabled, as AWS does. */
  cancelDeletion(): void {
    if (this.#state !== 'PendingDeletion' && this.#state !== 'PendingReplicaDeletion') {
      throw new KmsException('KMSInvalidStateException', `${this.arn} is not pending deletion.`)
    }
    this.#state = 'Disabled'
    this.#deletionDate = undefined
    this.#pendingDays = undefined
  }

  /** New material for what is encrypted from now on; older ciphertexts keep opening under theirs. */
  rotate(now: number, type: RotationType): void {
    this.#materials.push(KeyMaterial.generate(now, type))
  }

  /** Zero-fills all material; that of a replica is its primary key's. */
  destroy(): void {
    for (const material of this.#materials) material.destroy()
  }

  /** `KeyMetadata` of the API. */
  metadata(accountId: string): Record<string, unknown> {
    const regions = this.#regions
    return {
      AWSAccountId: accountId,
      KeyId: this.keyId,
      Arn: this.arn,
      CreationDate: this.createdAt / 1000,
      Enabled: this.#state === 'Enabled',
      Description: this.description,
      KeyUsage: this.keyUsage,
      KeyState: this.#state,
      ...(this.#deletionDate === undefined ? {} : { DeletionDate: this.#deletionDate / 1000 }),
      ...(this.#state === 'PendingReplicaDeletion' && { PendingDeletionWindowInDays: this.#pendingDays }),
      Origin: 'AWS_KMS',
      KeyManager: 'CUSTOMER',
      CustomerMasterKeySpec: this.keySpec,
      KeySpec: this.keySpec,
      ...algorithmsOf(this.keySpec, this.keyUsage),
      MultiRegion: regions !== undefined,
      ...(regions && { MultiRegionConfiguration: regions.configuration }),
      ...(this.symmetric ? { CurrentKeyMaterialId: this.currentMaterial.id } : {}),
    }
  }

  /** The form for the key file, which holds the key material in clear. */
  toRecord(): KeyRecord {
    const { keyId, arn, description, keySpec, keyUsage, createdAt, lastUsage } = this
    const materials = this.#materials.map((material) => material.toRecord())
    const state = {
      state: this.#state,
      deletionDate: this.#deletionDate,
      pendingDays: this.#pendingDays,
      rotation: this.#rotation,
      primaryRegion: this.#regions?.primaryRegion,
    }
    return {
      keyId,
      arn,
      description,
      keySpec,
      keyUsage,
      createdAt,
      ...state,
      tags: [...this.tags],
      materials,
      lastUsage,
    }
  }
}
