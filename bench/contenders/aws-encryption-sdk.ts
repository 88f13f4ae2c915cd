import { KMS } from '@aws-sdk/client-kms'
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  KmsKeyringNode,
  NodeCachingMaterialsManager,
} from '@aws-crypto/client-node'
import { type BenchKms } from '../support/kms'

const CONTEXT = { table: 'user', column: 'privateKey' }

/**
 * The AWS Encryption SDK with its caching materials manager and the limits of this library's own cache, in its
 * two kinds: signed, its default, and unsigned, which protects as much as this library does.
 */
export class AwsEncryptionSdk {
  readonly #client = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  readonly #suite: AlgorithmSuiteIdentifier
  readonly #materials: NodeCachingMaterialsManager

  constructor({ kms, keyArn }: BenchKms, { signed }: { signed: boolean }) {
    this.#suite = signed
      ? AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384
      : AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
    const client = new KMS({
      region: kms.region,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      requestHandler: kms.requestHandler,
    })
    this.#materials = new NodeCachingMaterialsManager({
      backingMaterials: new KmsKeyringNode({ generatorKeyId: keyArn, clientProvider: () => client }),
      cache: getLocalCryptographicMaterialsCache(1_000),
      maxAge: 300_000,
      maxMessagesEncrypted: 2 ** 20,
      partition: 'bench',
    })
  }

  async seal(text: string): Promise<Buffer> {
    const { result } = await this.#client.encrypt(this.#materials, text, {
      encryptionContext: CONTEXT,
      suiteId: this.#suite,
      plaintextLength: Buffer.byteLength(text),
    })
    return result
  }

  async open(bytes: Buffer): Promise<string> {
    const { plaintext } = await this.#client.decrypt(this.#materials, bytes)
    return plaintext.toString('utf8')
  }
}
