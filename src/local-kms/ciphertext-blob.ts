import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

import { type CanonicalContext } from './encryption-context'
import { invalidCiphertext } from './exception'
import { type KeyMaterial } from './key-material'

/*
 * A ciphertext has the outline of AWS's, so that it has AWS's size as well:
 *
 *   5       01 02 02 00 78
 *   32      key reference: the 16 bytes of the key's id and the first half of its material's id (16)
 *   1       01
 *   16      nonce, from which the message key is derived (HKDF-SHA-256)
 *   4       length of what follows
 *   ...     CMS EncryptedData in DER (RFC 5652) with AES-256-GCM parameters (RFC 5084), its content being
 *           11 bytes of checksum over all before it, the encrypted bytes (n) and the tag (16)
 *
 * n bytes make n + 152 up to n = 35; after that the DER lengths grow, to n + 162 from n = 229 on.
 */
const MAGIC = Buffer.from([0x01, 0x02, 0x02, 0x00, 0x78])
const REFERENCE_AT = MAGIC.length
const NONCE_AT = REFERENCE_AT + 32 + 1
const NONCE_LENGTH = 16
const CMS_AT = NONCE_AT + NONCE_LENGTH + 4
const IV_LENGTH = 12
const CHECKSUM_LENGTH = 11
const TAG_LENGTH = 16
const SMALLEST_OVERHEAD = 152
const LARGEST_OVERHEAD = 162

/** `opaque` blobs are the same bytes under a mask, so that nothing of the outline shows. */
export type BlobLook = 'aws' | 'opaque'

const MASK = 0xa5

/** Gives a blob its look, or takes it away again. */
export function masked(blob: Buffer, look: BlobLook): Buffer {
  return look === 'aws' ? blob : Buffer.from(blob.map((byte) => byte ^ MASK))
}

/** Which key and which generation of it sealed a ciphertext. */
export interface BlobReference {
  /** The 32 hexadecimal digits of the key's id. */
  keyDigits: string
  /** The first 32 of the 64 hexadecimal digits of the material's id. */
  materialPrefix: string
}

/** A ciphertext taken apart, not yet opened. */
export interface ParsedBlob extends BlobReference {
  open(material: KeyMaterial, context: CanonicalContext): Buffer
}

/** Encrypts under a key's current material, bound to the encryption context. */
export function sealBlob(
  keyId: string,
  material: KeyMaterial,
  plaintext: Uint8Array,
  context: CanonicalContext,
): Buffer {
  const nonce = randomBytes(NONCE_LENGTH)
  const iv = randomBytes(IV_LENGTH)
  const head = frame(keyReference(keyId, material), nonce, iv, plaintext.length)
  const cipher = createCipheriv('aes-256-gcm', messageKey(material, nonce), iv, { authTagLength: TAG_LENGTH })
  cipher.setAAD(Buffer.concat([head, context]))
  return Buffer.concat([head, checksum(head), cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/**
 * Reads the outline of a ciphertext.
 *
 * @throws `InvalidCiphertextException` when it is not one of this KMS, or not whole.
 */
export function parseBlob(blob: Buffer): ParsedBlob {
  const plaintextLength = plaintextLengthOf(blob)
  const contentAt = blob.length - plaintextLength - TAG_LENGTH
  const headLength = contentAt - CHECKSUM_LENGTH
  const head = blob.subarray(0, headLength)
  const reference = head.subarray(REFERENCE_AT, REFERENCE_AT + 32)
  const nonce = head.subarray(NONCE_AT, NONCE_AT + NONCE_LENGTH)
  const iv = ivOf(head, plaintextLength)
  if (!checksum(head).equals(blob.subarray(headLength, contentAt))) throw invalidCiphertext()
  return {
    keyDigits: reference.toString('hex', 0, 16),
    materialPrefix: reference.toString('hex', 16),
    open(material, context) {
      const options = { authTagLength: TAG_LENGTH }
      const decipher = createDecipheriv('aes-256-gcm', messageKey(material, nonce), iv, options)
      decipher.setAAD(Buffer.concat([head, context]))
      decipher.setAuthTag(blob.subarray(blob.length - TAG_LENGTH))
      const plaintext = decipher.update(blob.subarray(contentAt, blob.length - TAG_LENGTH))
      try {
        return Buffer.concat([plaintext, decipher.final()])
      } catch {
        plaintext.fill(0)
        throw invalidCiphertext()
      }
    },
  }
}

/** All before the checksum: header and the DER around the content. */
function frame(reference: Buffer, nonce: Buffer, iv: Buffer, plaintextLength: number): Buffer {
  const contentLength = CHECKSUM_LENGTH + plaintextLength + TAG_LENGTH
  const parameters = der(0x30, [der(0x04, [iv]), der(0x02, [Buffer.from([TAG_LENGTH])])])
  const algorithm = der(0x30, [OID_AES_256_GCM, parameters])
  const content = derHead(0x80, contentLength)
  const info = der(0x30, [OID_DATA, algorithm, content], contentLength)
  const encrypted = der(0x30, [VERSION_0, info], contentLength)
  const cms = der(0x30, [OID_ENCRYPTED_DATA, der(0xa0, [encrypted], contentLength)], contentLength)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(cms.length + contentLength)
  return Buffer.concat([MAGIC, reference, Buffer.from([1]), nonce, length, cms])
}

const VERSION_0 = Buffer.from([0x02, 0x01, 0x00])
const OID_ENCRYPTED_DATA = Buffer.from('06092a864886f70d010706', 'hex')
const OID_DATA = Buffer.from('06092a864886f70d010701', 'hex')
const OID_AES_256_GCM = Buffer.from('060960864801650304012e', 'hex')

/** A DER element of `parts`; `following` bytes of content come after them and are not in the buffer. */
function der(tag: number, parts: Buffer[], following = 0): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([derHead(tag, content.length + following), content])
}

function derHead(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length])
  if (length < 0x100) return Buffer.from([tag, 0x81, length])
  return Buffer.from([tag, 0x82, length >> 8, length & 0xff])
}

/** The plaintext length that makes a ciphertext of this size. */
function plaintextLengthOf(blob: Buffer): number {
  for (let overhead = SMALLEST_OVERHEAD; overhead <= LARGEST_OVERHEAD; overhead++) {
    const length = blob.length - overhead
    if (length >= 1 && overheadOf(length) === overhead) return length
  }
  throw invalidCiphertext()
}

/** What a plaintext of this length grows by: the five nested elements around it have DER heads that grow. */
function overheadOf(plaintextLength: number): number {
  const insides = [0, 43, 3, 0, 11]
  const length = insides.reduce(
    (sum, inside) => sum + inside + derHead(0x30, sum + inside).length,
    CHECKSUM_LENGTH + plaintextLength + TAG_LENGTH,
  )
  return CMS_AT + length - plaintextLength
}

/** The IV, which has the GCM tag length and the content's own DER head after it. */
function ivOf(head: Buffer, plaintextLength: number): Buffer {
  const contentHead = derHead(0x80, CHECKSUM_LENGTH + plaintextLength + TAG_LENGTH)
  const end = head.length - contentHead.length - der(0x02, [Buffer.from([TAG_LENGTH])]).length
  return head.subarray(end - IV_LENGTH, end)
}

function keyReference(keyId: string, material: KeyMaterial): Buffer {
  const digits = keyId.replace(/^mrk-/, '').replaceAll('-', '')
  return Buffer.from(digits + material.id.slice(0, 32), 'hex')
}

function messageKey(material: KeyMaterial, nonce: Buffer): Buffer {
  return material.withSecret((secret) =>
    Buffer.from(hkdfSync('sha256', secret, nonce, 'local-kms message key', 32)),
  )
}

const checksum = (head: Buffer) => createHash('sha256').update(head).digest().subarray(0, CHECKSUM_LENGTH)
