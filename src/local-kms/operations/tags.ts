import { KmsException } from '../exception'
import { type Key } from '../key'
import { readPage } from '../page'
import { type RequestFields } from '../request-fields'
import { KEY_ID, type Operation } from './operation'

type Tag = readonly [key: string, value: string]

const MAX_TAGS = 50
const TAG_KEY = { min: 1, max: 128 } as const

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html */
export const tagResource: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const tags = readTags(input)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireNotPendingDeletion()
  putTags(key, tags)
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html */
export const untagResource: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const names = input.strings('TagKeys', TAG_KEY)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireNotPendingDeletion()
  for (const name of names) key.tags.delete(name)
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html */
export const listResourceTags: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const page = readPage(input, operation, MAX_TAGS, MAX_TAGS)
  input.check()
  const { items, rest } = page([...store.findKey(keyId, operation).tags], ([name]) => name)
  return { Tags: items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })), ...rest }
}

/** Reads a `Tags` parameter. */
export function readTags(input: RequestFields): Tag[] {
  return input
    .structures('Tags')
    .map((tag) => [tag.string('TagKey', TAG_KEY), tag.string('TagValue', { max: 256 })] as const)
}

/** Adds tags, or changes those that are there. @throws `TagException` */
export function putTags(key: Key, tags: readonly Tag[]): void {
  const names = tags.map(([name]) => name)
  if (new Set(names).size < names.length) throw new KmsException('TagException', 'Duplicate tag keys')
  if (new Set([...key.tags.keys(), ...names]).size > MAX_TAGS)
    throw new KmsException('TagException', 'Too many tags')
  if (names.some((name) => name.toLowerCase().startsWith('aws:'))) {
    throw new KmsException('TagException', 'Tags beginning with aws: are reserved')
  }
  for (const [name, value] of tags) key.tags.set(name, value)
}
