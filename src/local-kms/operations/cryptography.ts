import { randomBytes } from 'node:crypto'

import { masked, parseBlob, type ParsedBlob, sealBlob } from '../ciphertext-blob'
import { type CanonicalContext, readEncryptionContext } from '../encryption-context'
import { invalid, invalidCiphertext, KmsException, unsupported } from '../exception'
import { type Key } from '../key'
import { notAuthorised } from '../key-identifier'
import { type KeyMaterial } from '../key-material'
import { type RequestFields } from '../request-fields'
import { KEY_ID, type Operation, type OperationContext, stopDryRun } from './operation'

const MAX_PLAINTEXT = 4096
const MAX_CIPHERTEXT = 6144
const ALGORITHM = {
  values: ['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE'],
} as const
const SYMMETRIC = 'SYMMETRIC_DEFAULT'

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html */
export const encrypt: Operation = (input, { store, now, operation, blobs, authorise }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const plaintext = input.bytes('Plaintext', 1, MAX_PLAINTEXT)
  const algorithm = input.optionalString('EncryptionAlgorithm', ALGORITHM)
  const { dryRun } = readCommon(input)
  input.check()
  const context = readEncryptionContext(input)
  const key = store.find(keyId, operation)
  authorise(operation, key.arn, input.stringMap('EncryptionContext'))
  requireSymmetricUse(key, operation, algorithm)
  stopDryRun(dryRun)
  const ciphertext = masked(sealBlob(key.keyId, key.currentMaterial, plaintext, context), blobs)
  key.lastUsage = { operation, at: now }
  return { CiphertextBlob: ciphertext.toString('base64'), KeyId: key.arn, EncryptionAlgorithm: SYMMETRIC }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html */
export const decrypt: Operation = (input, operationContext) => {
  const blob = input.bytes('CiphertextBlob', 1, MAX_CIPHERTEXT)
  const keyId = input.optionalString('KeyId', KEY_ID)
  const algorithm = input.optionalString('EncryptionAlgorithm', ALGORITHM)
  const { dryRun } = readCommon(input)
  input.check()
  const context = readEncryptionContext(input)
  const { operation, now } = operationContext
  const pairs = input.stringMap('EncryptionContext')
  const source = openBlob(blob, keyId, context, algorithm, operation, operationContext, pairs)
  stopDryRun(dryRun)
  source.key.lastUsage = { operation, at: now }
  return {
    KeyId: source.key.arn,
    Plaintext: source.plaintext.toString('base64'),
    EncryptionAlgorithm: SYMMETRIC,
    KeyMaterialId: source.material.id,
  }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html */
export const reEncrypt: Operation = (input, operationContext) => {
  const blob = input.bytes('CiphertextBlob', 1, MAX_CIPHERTEXT)
  const sourceKeyId = input.optionalString('SourceKeyId', KEY_ID)
  const destinationKeyId = input.string('DestinationKeyId', KEY_ID)
  const sourceAlgorithm = input.optionalString('SourceEncryptionAlgorithm', ALGORITHM)
  const destinationAlgorithm = input.optionalString('DestinationEncryptionAlgorithm', ALGORITHM)
  const { dryRun } = readCommon(input)
  input.check()
  const from = readEncryptionContext(input, 'SourceEncryptionContext')
  const to = readEncryptionContext(input, 'DestinationEncryptionContext')
  const pairs = input.stringMap('SourceEncryptionContext')
  const source = openBlob(blob, sourceKeyId, from, sourceAlgorithm, 'ReEncryptFrom', operationContext, pairs)
  const key = operationContext.store.find(destinationKeyId, 'ReEncryptTo')
  operationContext.authorise('ReEncryptTo', key.arn, input.stringMap('DestinationEncryptionContext'))
  requireSymmetricUse(key, 'ReEncryptTo', destinationAlgorithm)
  stopDryRun(dryRun)
  const { now, operation, blobs } = operationContext
  const ciphertext = masked(sealBlob(key.keyId, key.currentMaterial, source.plaintext, to), blobs)
  source.plaintext.fill(0)
  for (const used of [source.key, key]) used.lastUsage = { operation, at: now }
  return {
    CiphertextBlob: ciphertext.toString('base64'),
    SourceKeyId: source.key.arn,
    KeyId: key.arn,
    SourceEncryptionAlgorithm: SYMMETRIC,
    DestinationEncryptionAlgorithm: SYMMETRIC,
    SourceKeyMaterialId: source.material.id,
    DestinationKeyMaterialId: key.currentMaterial.id,
  }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html */
export const generateDataKey: Operation = (input, operationContext) => {
  const { plaintext, ...sealed } = newDataKey(input, operationContext)
  return { ...sealed, Plaintext: plaintext.toString('base64') }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyWithoutPlaintext.html */
export const generateDataKeyWithoutPlaintext: Operation = (input, operationContext) => {
  const { plaintext, ...sealed } = newDataKey(input, operationContext)
  plaintext.fill(0)
  return sealed
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html */
export const generateRandom: Operation = (input) => {
  const length = input.optionalInteger('NumberOfBytes', 1, 1024)
  refuseRecipient(input)
  input.check()
  if (input.has('CustomKeyStoreId'))
    throw unsupported('CustomKeyStoreId is not supported by the embedded KMS.')
  if (length === undefined) throw invalid('NumberOfBytes is required.')
  return { Plaintext: randomBytes(length).toString('base64') }
}

function newDataKey(input: RequestFields, { store, now, operation, blobs, authorise }: OperationContext) {
  const keyId = input.string('KeyId', KEY_ID)
  const spec = input.optionalString('KeySpec', { values: ['AES_256', 'AES_128'] })
  const bytes = input.optionalInteger('NumberOfBytes', 1, 1024)
  const { dryRun } = readCommon(input)
  input.check()
  if ((spec === undefined) === (bytes === undefined)) {
    throw invalid('Please specify either number of bytes or key spec.')
  }
  const context = readEncryptionContext(input)
  const key = store.find(keyId, operation)
  authorise(operation, key.arn, input.stringMap('EncryptionContext'))
  requireSymmetricUse(key, operation, undefined)
  stopDryRun(dryRun)
  const plaintext = randomBytes(bytes ?? (spec === 'AES_128' ? 16 : 32))
  const material = key.currentMaterial
  const ciphertext = masked(sealBlob(key.keyId, material, plaintext, context), blobs)
  key.lastUsage = { operation, at: now }
  return {
    plaintext,
    CiphertextBlob: ciphertext.toString('base64'),
    KeyId: key.arn,
    KeyMaterialId: material.id,
  }
}

interface Opened {
  key: Key
  material: KeyMaterial
  plaintext: Buffer
}

/** Opens a ciphertext, refusing in AWS's order: bytes, key, state and usage, then encryption context. */
function openBlob(
  blob: Buffer,
  keyId: string | undefined,
  context: CanonicalContext,
  algorithm: string | undefined,
  permission: string,
  { store, blobs, authorise }: OperationContext,
  pairs: Readonly<Record<string, string>>,
): Opened {
  const named = keyId === undefined ? undefined : store.find(keyId, permission)
  const parsed: ParsedBlob = parseBlob(masked(blob, blobs))
  const key = store.byReference(parsed.keyDigits)
  if (!key) throw notAuthorised(store.location, permission, 'the resource associated with this ciphertext')
  authorise(permission, key.arn, pairs)
  if (named && named !== key) {
    throw new KmsException(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    )
  }
  requireSymmetricUse(key, permission, algorithm)
  const material = key.materials.find(({ id }) => id.startsWith(parsed.materialPrefix))
  if (!material) throw invalidCiphertext()
  return { key, material, plaintext: parsed.open(material, context) }
}

/** @throws unless the key is enabled and its kind can do symmetric encryption with the named algorithm. */
function requireSymmetricUse(key: Key, operation: string, algorithm: string | undefined): void {
  key.requireEnabled()
  if (key.keyUsage !== 'ENCRYPT_DECRYPT') {
    throw wrongUsage(`${key.arn} key usage is ${key.keyUsage} which is not valid for ${operation}.`)
  }
  if (!key.symmetric && operation.startsWith('GenerateDataKey')) {
    throw wrongUsage('You cannot generate a data key with an asymmetric CMK')
  }
  const usesRsa = algorithm !== undefined && algorithm !== SYMMETRIC
  if (key.symmetric === usesRsa) {
    throw wrongUsage(`Algorithm ${algorithm ?? SYMMETRIC} is incompatible with key spec ${key.keySpec}.`)
  }
}

const wrongUsage = (message: string) => new KmsException('InvalidKeyUsageException', message)

function readCommon(input: RequestFields): { dryRun: boolean | undefined } {
  input.strings('GrantTokens', { min: 1, max: 8192 })
  refuseRecipient(input)
  return { dryRun: input.optionalBoolean('DryRun') }
}

function refuseRecipient(input: RequestFields): void {
  if (input.has('Recipient'))
    throw unsupported('Recipient (Nitro Enclaves) is not supported by the embedded KMS.')
}
