import { invalid, KmsException, notFound } from '../exception'
import { arnOfAlias, type Location } from '../key-identifier'
import { readPage } from '../page'
import { type RequestFields } from '../request-fields'
import { KEY_ID, type Operation } from './operation'

const ALIAS_NAME = { min: 1, max: 256, pattern: /^[a-zA-Z0-9:/_-]+$/ } as const

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html */
export const createAlias: Operation = (input, { store, now, operation }) => {
  const { name, target } = readAlias(input)
  if (store.alias(name)) {
    const arn = arnOfAlias(store.location, name)
    throw new KmsException('AlreadyExistsException', `An alias with the name ${arn} already exists`)
  }
  const key = store.findKey(target, operation)
  key.requireNotPendingDeletion()
  store.setAlias({ name, targetKeyId: key.keyId, createdAt: now, updatedAt: now })
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateAlias.html */
export const updateAlias: Operation = (input, { store, now, operation }) => {
  const { name, target } = readAlias(input)
  const alias = store.alias(name)
  if (!alias) throw aliasNotFound(store.location, name)
  const key = store.findKey(target, operation)
  key.requireNotPendingDeletion()
  const current = store.byId(alias.targetKeyId)
  if (current && (current.keyUsage !== key.keyUsage || current.symmetric !== key.symmetric)) {
    throw invalid(
      'The current and the new KMS key of an alias must be of the same type and have the same key usage.',
    )
  }
  store.setAlias({ ...alias, targetKeyId: key.keyId, updatedAt: now })
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteAlias.html */
export const deleteAlias: Operation = (input, { store }) => {
  const name = input.string('AliasName', ALIAS_NAME)
  input.check()
  requireUserAlias(name)
  if (!store.alias(name)) throw aliasNotFound(store.location, name)
  store.removeAlias(name)
  store.commit()
  return undefined
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html */
export const listAliases: Operation = (input, { store, operation }) => {
  const keyId = input.optionalString('KeyId', KEY_ID)
  const page = readPage(input, operation, 50, 100)
  input.check()
  const key = keyId === undefined ? undefined : store.findKey(keyId, operation)
  const aliases = store.aliases.filter((alias) => key === undefined || alias.targetKeyId === key.keyId)
  const { items, rest } = page(aliases, (alias) => alias.name)
  const entries = items.map((alias) => ({
    AliasName: alias.name,
    AliasArn: arnOfAlias(store.location, alias.name),
    TargetKeyId: alias.targetKeyId,
    CreationDate: alias.createdAt / 1000,
    LastUpdatedDate: alias.updatedAt / 1000,
  }))
  return { Aliases: entries, ...rest }
}

function readAlias(input: RequestFields): { name: string; target: string } {
  const name = input.string('AliasName', ALIAS_NAME)
  const target = input.string('TargetKeyId', KEY_ID)
  input.check()
  requireUserAlias(name)
  if (target.startsWith('alias/') || target.includes(':alias/')) {
    throw invalid('Aliases must refer to keys. Not aliases')
  }
  return { name, target }
}

function requireUserAlias(name: string): void {
  if (!name.startsWith('alias/')) {
    throw invalid(
      'Alias must start with the prefix "alias/". ' +
        'Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    )
  }
  if (name === 'alias/') throw invalid('Invalid identifier')
  if (name.includes(':')) throw invalid(`${name} contains invalid characters for an alias`)
  if (name.startsWith('alias/aws/')) throw new KmsException('NotAuthorizedException')
}

const aliasNotFound = (location: Location, name: string) =>
  notFound(`Alias ${arnOfAlias(location, name)} is not found.`)
