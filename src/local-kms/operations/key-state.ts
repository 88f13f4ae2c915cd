import { invalid } from '../exception'
import { KEY_ID, type Operation } from './operation'

/** Allowed waiting periods before a deletion, in days. */
const SHORTEST_WINDOW = 7
const LONGEST_WINDOW = 30

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html */
export const enableKey: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  store.findKey(keyId, operation).enable()
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html */
export const disableKey: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  store.findKey(keyId, operation).disable()
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html */
export const scheduleKeyDeletion: Operation = (input, { store, now, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const days = input.optionalInteger('PendingWindowInDays', 1, 365) ?? LONGEST_WINDOW
  input.check()
  if (days < SHORTEST_WINDOW || days > LONGEST_WINDOW) {
    throw invalid(
      `PendingWindowInDays must be between ${SHORTEST_WINDOW} and ${LONGEST_WINDOW}, but it is ${days}.`,
    )
  }
  const key = store.findKey(keyId, operation)
  key.scheduleDeletion(now, days)
  store.commit()
  const { arn, state, deletionDate } = key
  return {
    KeyId: arn,
    ...(deletionDate === undefined ? {} : { DeletionDate: deletionDate / 1000 }),
    KeyState: state,
    PendingWindowInDays: days,
  }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html */
export const cancelKeyDeletion: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  const key = store.findKey(keyId, operation)
  key.cancelDeletion()
  store.commit()
  return { KeyId: key.arn }
}
