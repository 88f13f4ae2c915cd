import { type Report, type ReportedColumn, type ReportedRows } from '../../../src/report/report'

export const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const OLD = 'arn:aws:kms:eu-central-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab'

function rows(given: Partial<ReportedRows> = {}): ReportedRows {
  return {
    rows: 1_000_000,
    null: 120_000,
    encrypted: 880_000,
    plaintext: 0,
    bare: 0,
    forgotten: 0,
    lost: 0,
    unknown: 0,
    plaintextInHistory: 0,
    keys: [
      {
        mode: 'envelope',
        kmsKey: ARN,
        rows: 880_000,
        dataKeys: undefined,
        oldest: undefined,
        newest: undefined,
      },
    ],
    byMonth: {},
    ...given,
  }
}

export function reportedColumn(given: Partial<ReportedColumn> = {}): ReportedColumn {
  return {
    name: 'User.privateKey',
    table: 'user',
    column: 'privateKey',
    databaseType: 'varbinary',
    valueType: 'string',
    mode: 'envelope',
    dataKeys: 'inline',
    kmsKey: 'alias/my-app',
    context: { table: 'user' },
    keyPer: [],
    boundToRow: [],
    acceptsPlaintext: false,
    mayWritePlaintext: false,
    previousSettings: 0,
    indexes: [],
    holds: rows(),
    unseen: undefined,
    ...given,
  }
}

/** A report with something of everything. */
export const everything: Report = {
  at: new Date('2026-11-25T09:30:00Z'),
  versions: { library: '1.0.0', node: '24.1.0' },
  database: { type: 'postgres', name: 'shop' },
  columns: [
    reportedColumn(),
    reportedColumn({
      name: 'Account.iban',
      table: 'account',
      column: 'iban',
      dataKeys: 'stored',
      keyPer: ['tenant_id'],
      boundToRow: ['id'],
      indexes: [
        {
          name: 'index',
          column: 'iban_index',
          isUnique: true,
          isFilling: false,
          missing: 0,
          of: 'value',
          leakage: undefined,
        },
        {
          name: 'last4',
          column: 'iban_last4',
          isUnique: false,
          isFilling: true,
          missing: 1_000,
          of: 'part',
          leakage: {
            rows: 4_000,
            distinct: 900,
            mostFrequent: 60,
            alone: 500,
            bits: 9.25,
            advice: ['900 different values, the most frequent in 1.5 % of the rows.'],
          },
        },
      ],
      holds: rows({
        rows: 5_000,
        null: 0,
        encrypted: 4_000,
        forgotten: 700,
        lost: 300,
        keys: [
          {
            mode: 'stored',
            kmsKey: ARN,
            rows: 4_000,
            dataKeys: 42,
            oldest: new Date('2025-06-01'),
            newest: new Date('2026-11-20'),
          },
        ],
        byMonth: Object.fromEntries(
          Array.from({ length: 18 }, (_, month) => [
            new Date(Date.UTC(2025, 5 + month)).toISOString().slice(0, 7),
            10 * (month + 1) ** 2,
          ]),
        ),
      }),
    }),
    reportedColumn({
      name: 'ApiSecret.secret',
      table: 'api_secret',
      column: 'secret',
      mode: 'direct',
      dataKeys: 'none',
      acceptsPlaintext: true,
      mayWritePlaintext: true,
      previousSettings: 2,
      holds: rows({
        rows: 1_234,
        null: 34,
        encrypted: 1_000,
        plaintext: 200,
        plaintextInHistory: 12,
        keys: [
          {
            mode: 'direct',
            kmsKey: OLD,
            rows: 990,
            dataKeys: undefined,
            oldest: undefined,
            newest: undefined,
          },
          {
            mode: 'direct',
            kmsKey: 'key tag 9f3a51c7',
            rows: 10,
            dataKeys: undefined,
            oldest: undefined,
            newest: undefined,
          },
        ],
      }),
    }),
    reportedColumn({
      name: 'Diary.entry',
      holds: undefined,
      unseen: 'the database role may not read the table diary, so nobody knows what the column holds.',
    }),
  ],
  kmsKeys: [
    {
      name: ARN,
      aliases: ['alias/my-app'],
      state: 'Enabled',
      rotation: 'yearly',
      created: new Date('2025-01-01'),
      deletion: undefined,
      rows: 884_000,
      configuredFor: ['User.privateKey', 'Account.iban', 'ApiSecret.secret', 'Diary.entry'],
    },
    {
      name: OLD,
      aliases: [],
      state: 'PendingDeletion',
      rotation: undefined,
      created: new Date('2020-01-01'),
      deletion: new Date('2026-12-24'),
      rows: 990,
      configuredFor: [],
    },
    {
      name: 'key tag 9f3a51c7',
      aliases: [],
      state: undefined,
      rotation: undefined,
      created: undefined,
      deletion: undefined,
      rows: 10,
      configuredFor: [],
    },
  ],
  keyTable: {
    name: 'kms_data_key',
    sealing: 40,
    openingOnly: 2,
    toBeDestroyed: 1,
    destroyed: 3,
    oldest: new Date('2025-06-01'),
    newest: new Date('2026-11-20'),
    maxAge: 7_776_000_000,
    lease: 60_000,
  },
  settings: { trustsNamedKeysOnly: false, keptInMemory: 300_000 },
  findings: [
    { area: 'application', level: 'ok', message: 'configure() was called; 4 encrypted columns' },
    {
      area: 'database',
      level: 'problem',
      message:
        'Account.iban: 300 values of which the data key is not in the key table: they are lost as things are.',
      remedy: 'restore the key table from a backup that is as new as the values.',
    },
    {
      area: 'database',
      level: 'warning',
      message: 'ApiSecret.secret: 200 rows of plaintext, which acceptPlaintext lets pass.',
      remedy: 'typeorm-kms encrypt -d ormconfig.ts --columns ApiSecret.secret',
    },
    { area: 'KMS', level: 'note', message: 'the key is not known, because kms:DescribeKey is not allowed.' },
  ],
}
