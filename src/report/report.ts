/** What is known of an installation, for whoever answers for it. It has no value of any row, and no context of one. */
export interface Report {
  /** When it was made. */
  at: Date
  versions: { library: string; node: string }
  database: { type: string; name: string }
  columns: readonly ReportedColumn[]
  kmsKeys: readonly ReportedKmsKey[]
  /** The table of the stored data keys; `undefined` if there is none. */
  keyTable: ReportedKeyTable | undefined
  settings: ReportedSettings
  findings: readonly ReportedFinding[]
}

/** Settings that hold for all columns. */
export interface ReportedSettings {
  /** Values under any other KMS key are refused. */
  trustsNamedKeysOnly: boolean
  /** For how many milliseconds plaintext data keys stay in memory. */
  keptInMemory: number
}

/** One encrypted column: what was declared, and what the database holds. */
export interface ReportedColumn {
  /** `Entity.property`. */
  name: string
  table: string
  /** Its name in the database. */
  column: string
  /** Its type in the database, where that could be looked at. */
  databaseType: string | undefined
  /** Type of the value, e.g. `string`. */
  valueType: string
  mode: 'envelope' | 'direct'
  /** Where the data keys of new values are; `none` in direct mode. */
  dataKeys: 'inline' | 'stored' | 'none'
  /** The KMS key of new values, as it is configured; `undefined` where a function names it. */
  kmsKey: string | undefined
  /** Pairs of the encryption context that are the same in every row. */
  context: Readonly<Record<string, string>>
  /** Columns of the row whose values are in the encryption context: each value has data keys of its own. */
  keyPer: readonly string[]
  /** Columns of the row that values are bound to. */
  boundToRow: readonly string[]
  acceptsPlaintext: boolean
  /** `writes` may have new values stored in clear. */
  mayWritePlaintext: boolean
  /** Earlier settings under which values still open. */
  previousSettings: number
  indexes: readonly ReportedIndex[]
  /** `undefined` if it could not be looked at. */
  holds: ReportedRows | undefined
  /** Why it, or not all of its rows, could be looked at. */
  unseen: string | undefined
}

/** A blind index: by it rows are found, and equal values are seen to be equal. */
export interface ReportedIndex {
  name: string
  /** The column that holds it. */
  column: string
  isUnique: boolean
  /** It answers no search yet. */
  isFilling: boolean
  /** Rows that have a value and no index; `undefined` where that could not be looked at. */
  missing: number | undefined
  /** What is indexed: the value, the value after `normalize`, or what `from` makes of it. */
  of: 'value' | 'normalized' | 'part'
  /** What it tells to whoever reads the database, in numbers; `undefined` if that was not measured. */
  leakage: ReportedLeakage | undefined
}

/** How much the index of a column tells: counts of rows and of distinct indexes, never an index. */
export interface ReportedLeakage {
  /** Rows that have an index. */
  rows: number
  /** Distinct indexes among them. */
  distinct: number
  /** Rows that share the most frequent one. */
  mostFrequent: number
  /** Rows whose index no other row has. */
  alone: number
  /** What the index tells of a row on average, in bits. */
  bits: number
  /** What ought to be done about it, in sentences with these numbers. */
  advice: readonly string[]
}

/** Rows of a column by what they hold. */
export interface ReportedRows {
  rows: number
  null: number
  /** Ciphertexts that open, as far as their first bytes tell. */
  encrypted: number
  plaintext: number
  /** Written by other programs with KMS itself. */
  bare: number
  /** Their data key was destroyed on purpose. */
  forgotten: number
  /** Their data key is not in the key table. */
  lost: number
  /** Of a version that this release does not know. */
  unknown: number
  /** Earlier versions of rows that hold plaintext. */
  plaintextInHistory: number
  keys: readonly ReportedKeyRows[]
  /** Rows under stored data keys by the month in which the data key was made: `2026-11`. */
  byMonth: Readonly<Record<string, number>>
}

/** Rows of one column under one KMS key. */
export interface ReportedKeyRows {
  mode: 'envelope' | 'direct' | 'stored'
  /** Its ARN; the key tag where the ARN is not known. */
  kmsKey: string
  rows: number
  /** Distinct data keys, of stored ones. */
  dataKeys: number | undefined
  /** When the oldest and the newest of the stored data keys were made. */
  oldest: Date | undefined
  newest: Date | undefined
}

/** A KMS key that columns use or values are under. */
export interface ReportedKmsKey {
  /** ARN, or what is known of it: an alias, a key tag. */
  name: string
  aliases: readonly string[]
  /** `undefined` where KMS does not tell. */
  state: string | undefined
  rotation: string | undefined
  created: Date | undefined
  deletion: Date | undefined
  /** Values under it in all columns. */
  rows: number
  /** Columns that encrypt new values under it. */
  configuredFor: readonly string[]
}

export interface ReportedKeyTable {
  name: string
  /** Data keys by what may be done with them. */
  sealing: number
  openingOnly: number
  toBeDestroyed: number
  destroyed: number
  oldest: Date | undefined
  newest: Date | undefined
  /** Milliseconds until a new data key is made, and for which a process seals after it last saw one alive. */
  maxAge: number
  lease: number
}

export interface ReportedFinding {
  area: string
  level: 'ok' | 'note' | 'warning' | 'problem'
  message: string
  remedy?: string
}
