import { type Report, type ReportedColumn } from './report'

/** What the settings promise of some columns, and what they do not promise of the others. */
export interface Promised {
  subject: string
  /** Said of `kept`. */
  promise: string
  kept: readonly string[]
  /** Said of `open`: what it means that it is not promised. */
  otherwise: string
  open: readonly string[]
}

interface Rule extends Omit<Promised, 'kept' | 'open'> {
  holds: (column: ReportedColumn, report: Report) => boolean
}

const RULES: readonly Rule[] = [
  {
    subject: 'Ciphertext only',
    promise: 'Every value that the database holds now is a ciphertext.',
    otherwise: 'There are values in clear, earlier versions of rows in clear, or nobody could look.',
    holds: ({ holds, unseen }) =>
      holds !== undefined && unseen === undefined && holds.plaintext + holds.plaintextInHistory === 0,
  },
  {
    subject: 'Plaintext is refused',
    promise: 'A value in clear that somebody put into the database fails when it is read.',
    otherwise: 'A value in clear is read as it is (acceptPlaintext): meant for the time of a migration.',
    holds: ({ acceptsPlaintext }) => !acceptsPlaintext,
  },
  {
    subject: 'New values are encrypted',
    promise: 'Every value that is written now is encrypted before it is sent.',
    otherwise: 'New values may be stored in clear (writes): meant for the time of a roll-out.',
    holds: ({ mayWritePlaintext }) => !mayWritePlaintext,
  },
  {
    subject: 'Own row only',
    promise: 'A value that was copied into another row does not open there.',
    otherwise:
      'Whoever can write to the database can copy a value into another row of the same column, where it opens (boundTo.row is not set).',
    holds: ({ boundToRow }) => boundToRow.length > 0,
  },
  {
    subject: 'Own keys per tenant',
    promise: 'Each value of what the column is keyed by has data keys of its own.',
    otherwise: 'All rows share data keys (keyPer is not set).',
    holds: ({ keyPer }) => keyPer.length > 0,
  },
  {
    subject: 'Can be forgotten',
    promise:
      'Values can be made unreadable for ever by destroying their data keys, except in backups of the key table.',
    otherwise:
      'Values are gone when their rows are gone, and open from every backup as long as the KMS key is there.',
    holds: ({ dataKeys }) => dataKeys === 'stored',
  },
  {
    subject: 'KMS sees no value',
    promise: 'Values are encrypted in the process of the application; KMS sees data keys.',
    otherwise: 'KMS itself encrypts each value, so that it sees each, over TLS (direct mode).',
    holds: ({ mode }) => mode === 'envelope',
  },
  {
    subject: 'Each access is recorded',
    promise: 'CloudTrail has an event for each value that is read or written (direct mode).',
    otherwise: 'CloudTrail has an event for each data key, and not for each value.',
    holds: ({ mode }) => mode === 'direct',
  },
  {
    subject: 'Equal values look different',
    promise: 'Nothing in the database tells which rows have equal values.',
    otherwise: 'A blind index tells which rows have equal values, and how often each occurs.',
    holds: ({ indexes }) => indexes.length === 0,
  },
  {
    subject: 'Only trusted KMS keys',
    promise: 'A value under a KMS key that is not named in trustedKeys is refused.',
    otherwise:
      'A value opens under every KMS key that the role of the application may use: the policy decides.',
    holds: (_, { settings }) => settings.trustsNamedKeysOnly,
  },
]

/** What is promised, and what is not, by the settings and by what the database holds. */
export function promises(report: Report): Promised[] {
  return RULES.map(({ subject, promise, otherwise, holds }) => {
    const names = (wanted: boolean): string[] =>
      report.columns.filter((column) => holds(column, report) === wanted).map(({ name }) => name)
    return { subject, promise, kept: names(true), otherwise, open: names(false) }
  })
}

/** What no setting promises. */
export function neverPromised({ settings }: Report): string[] {
  const minutes = Math.round(settings.keptInMemory / 6_000) / 10
  return [
    'Lengths: a ciphertext is longer than its value by a fixed number of bytes. NULL is seen as NULL.',
    'Time: when a row was changed, under which KMS key a value is, and which values share a data key can be seen.',
    'Freshness: whoever can write to the database can put an earlier ciphertext of the same place back.',
    `Memory: the process that decrypts holds values in use, and data keys for up to ${minutes} minutes, in its memory.`,
    'Whoever has the database and the right to kms:Decrypt: that is what the application has. IAM, key policies and CloudTrail are the defence.',
    'What was there before: backups, binary logs, freed pages and history tables keep what they have until they are deleted.',
    'What the application does with plaintext: its own logs, caches, responses and error reports.',
  ]
}

/** Of what nothing is known here, because it was not looked at. */
export const NOT_LOOKED_AT: readonly string[] = [
  'Backups, replicas, exports and other databases.',
  'Columns without a declaration: what is not encrypted is not in this report.',
  'Whether each value opens: typeorm-kms verify opens every one.',
  'The application itself: what it logs, sends and keeps.',
]
