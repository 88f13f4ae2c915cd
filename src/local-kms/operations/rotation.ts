import { KmsException } from '../exception'
import { DAY } from '../key'
import { readPage } from '../page'
import { KEY_ID, type Operation } from './operation'

const MAX_ON_DEMAND = 25

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html */
export const rotateKeyOnDemand: Operation = (input, { store, now, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireEnabled()
  key.requireSymmetric()
  key.requireNoReplica()
  if (key.materials.filter(({ rotation }) => rotation === 'ON_DEMAND').length >= MAX_ON_DEMAND) {
    throw new KmsException(
      'LimitExceededException',
      'The on-demand rotations limit has been reached for the given keyId. ' +
        `No more on-demand rotations can be performed for this key: ${key.arn}`,
    )
  }
  key.rotate(now, 'ON_DEMAND')
  store.commit()
  return { KeyId: key.arn }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html */
export const enableKeyRotation: Operation = (input, { store, now, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const period = input.optionalInteger('RotationPeriodInDays', 90, 2560)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireEnabled()
  key.requireSymmetric()
  key.requireNoReplica()
  const periodInDays = period ?? key.rotation?.periodInDays ?? 365
  if (key.rotation?.periodInDays !== periodInDays)
    key.rotation = { periodInDays, next: now + periodInDays * DAY }
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKeyRotation.html */
export const disableKeyRotation: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireEnabled()
  key.requireSymmetric()
  key.requireNoReplica()
  key.rotation = undefined
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html */
export const getKeyRotationStatus: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireSymmetric()
  const { rotation } = key
  if (!rotation || key.state === 'PendingDeletion') return { KeyId: key.arn, KeyRotationEnabled: false }
  return {
    KeyId: key.arn,
    KeyRotationEnabled: true,
    RotationPeriodInDays: rotation.periodInDays,
    NextRotationDate: rotation.next / 1000,
  }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html */
export const listKeyRotations: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const include = input.optionalString('IncludeKeyMaterial', {
    values: ['ALL_KEY_MATERIAL', 'ROTATIONS_ONLY'],
  })
  const page = readPage(input, operation, 100)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireSymmetric()
  const generations = key.materials
    .map((material, index) => ({ material, index }))
    .filter(({ material }) => material.rotation !== undefined || include === 'ALL_KEY_MATERIAL')
  const { items, rest } = page(generations, ({ index }) => String(index).padStart(6, '0'))
  const entries = items.map(({ material }) => ({
    KeyId: key.keyId,
    KeyMaterialId: material.id,
    KeyMaterialState: material === key.currentMaterial ? 'CURRENT' : 'NON_CURRENT',
    ...(material.rotation && { RotationDate: material.since / 1000, RotationType: material.rotation }),
  }))
  return { Rotations: entries, ...rest }
}
