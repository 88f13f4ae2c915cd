/** Texts that get lost, altered or mistaken for something else where bytes are handled carelessly. */
export const AWKWARD_TEXTS: readonly (string | null)[] = [
  null,
  '',
  ' ',
  'a',
  'A',
  'trailing space ',
  'línea única',
  'emoji 🔑 and 漢字',
  'x'.repeat(4096),
  '\n  indented text, as long as a blob of KMS'.padEnd(200, '.'),
  'wQEB',
  Buffer.from('c10101deadbeef', 'hex').toString('base64'),
  "quote ' and \\ backslash",
  'NULL',
]

/** Bytes that look like the beginning of a ciphertext, or like all of one. */
export const AWKWARD_BYTES: readonly (Buffer | null)[] = [
  null,
  Buffer.alloc(0),
  Buffer.from([0]),
  Buffer.from([0xc1]),
  Buffer.from('c101', 'hex'),
  Buffer.from('c10101deadbeef', 'hex'),
  Buffer.from('c10201deadbeef', 'hex'),
  Buffer.concat([Buffer.from('c10101deadbeef000101', 'hex'), Buffer.alloc(40, 7)]),
  Buffer.concat([Buffer.from('c10101deadbeef0010', 'hex'), Buffer.alloc(60, 7)]),
  Buffer.concat([Buffer.from('c10102deadbeef', 'hex'), Buffer.alloc(160, 7)]),
  Buffer.from('wQEBAAAA'),
  Buffer.alloc(4096, 0xff),
  Buffer.from(Array.from({ length: 256 }, (_, index) => index)),
]
