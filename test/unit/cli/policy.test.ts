import { FORMATS, formats } from '../../../src/cli/commands/keys/policy/formats'
import { type Role, ROLES, statementsOf, type Use } from '../../../src/cli/commands/keys/policy/statements'

const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const column = (use: Partial<Use> = {}): Use => ({
  key: ARN,
  mode: 'envelope',
  context: { table: 'user' },
  seals: true,
  ...use,
})
const underTable = (...tables: string[]) => ({ StringEquals: { 'kms:EncryptionContext:table': tables } })

describe('The operations of', () => {
  it.each<[Role, Partial<Use>, string[]]>([
    ['application', {}, ['kms:GenerateDataKey', 'kms:Decrypt']],
    ['application', { mode: 'direct' }, ['kms:Encrypt', 'kms:Decrypt']],
    ['application', { seals: false }, ['kms:Decrypt']],
    ['writer', {}, ['kms:GenerateDataKey']],
    ['writer', { mode: 'direct' }, ['kms:Encrypt']],
    ['migration', {}, ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo']],
    ['migration', { seals: false }, ['kms:Decrypt', 'kms:ReEncryptFrom']],
  ])('%s with %j', (role, use, operations) => {
    const [statement] = statementsOf(role, [column(use)])
    expect(statement).toEqual({
      Sid: 'EncryptedColumns1',
      Effect: 'Allow',
      Action: operations,
      Resource: ARN,
      Condition: underTable('user'),
    })
  })

  it('a writer hold nothing for earlier settings', () => {
    expect(statementsOf('writer', [column({ seals: false })])).toEqual([])
  })

  it('an administrator open no value', () => {
    const operations = statementsOf('administrator', [column()]).flatMap(({ Action }) => Action)
    expect(operations).toContain('kms:ScheduleKeyDeletion')
    expect(operations.filter((name) => /Decrypt|Encrypt|DataKey/.test(name))).toEqual([])
  })

  it.each([
    ['alias/my-app', 'arn:aws:kms:REGION:ACCOUNT:alias/my-app'],
    [ARN, 'arn:aws:kms:REGION:ACCOUNT:alias/*'],
  ])('an administrator of %s change the alias %s, which needs leave on both', (key, alias) => {
    const [ofKey, ofAlias] = statementsOf('administrator', [column({ key })])
    expect(ofAlias).toMatchObject({ Resource: alias })
    expect(ofKey?.Action).toEqual(expect.arrayContaining(ofAlias?.Action as string[]))
  })

  it('a migration to another key reach both', () => {
    const statements = statementsOf('migration', [column()], 'alias/next')
    expect(statements.map(({ Action, Resource }) => [Action.at(-1), Resource])).toEqual([
      ['kms:ReEncryptTo', ARN],
      ['kms:ReEncryptTo', 'arn:aws:kms:REGION:ACCOUNT:key/*'],
      ['kms:DescribeKey', ARN],
      ['kms:DescribeKey', 'arn:aws:kms:REGION:ACCOUNT:key/*'],
    ])
    // DescribeKey has no encryption context: a condition on one would deny it.
    expect(statements[2]).not.toHaveProperty('Condition')
  })
})

describe('A key of blind indexes', () => {
  const given = column({ context: { 'data-key': 'index' }, indexKey: 'given' })
  const stored = column({ context: { table: 'user', 'data-key': 'index' }, indexKey: 'stored' })

  it.each<[Role, string[]]>([
    ['application', ['kms:Decrypt']],
    ['writer', ['kms:Decrypt']],
    ['migration', ['kms:Decrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo']],
  ])('of the options is opened by the %s', (role, Action) => {
    const [statement] = statementsOf(role, [given])
    expect(statement).toMatchObject({
      Action,
      Condition: { StringEquals: { 'kms:EncryptionContext:data-key': ['index'] } },
    })
  })

  it('in the key table is opened by the writer, and by others with the leave for its table', () => {
    expect(statementsOf('writer', [stored])).toMatchObject([{ Action: ['kms:Decrypt'] }])
    expect(statementsOf('application', [stored])).toEqual([])
  })

  it.each(['json', 'terraform', 'cloudformation', 'cdk'] as const)('stands in %s', (format) => {
    const text = formats[format](statementsOf('application', [column(), given]), 'application')
    expect(text).toContain('kms:EncryptionContext:data-key')
  })
})

describe('Every role in every format', () => {
  const uses = [
    column(),
    column({
      key: 'alias/other',
      mode: 'direct',
      context: { table: 'user', column: 'pin', note: '"${x}"\\' },
    }),
    column({ context: { 'data-key': 'index' }, indexKey: 'given' }),
  ]

  /** The statements in blocks of Terraform's language: names, texts and lists of texts, as this tool writes them. */
  const ofTerraform = (text: string): unknown[] => {
    const statements: Record<string, unknown>[] = []
    let condition: Record<string, unknown> | undefined
    for (const line of text.split('\n').map((each) => each.trim())) {
      const [, name = '', value = ''] = /^(\w+) += (.+)$/.exec(line) ?? []
      const read = (): unknown => JSON.parse(value.replace(/([$%])\1\{/g, '$1{'))
      if (line === 'statement {') statements.push({ Effect: 'Allow' })
      else if (line === 'condition {') condition = {}
      else if (line === '}' && condition) {
        const { test, variable, values } = condition as { test: string; variable: string; values: unknown }
        const all = (statements.at(-1)!['Condition'] ??= {}) as Record<string, Record<string, unknown>>
        ;(all[test] ??= {})[variable] = values
        condition = undefined
      } else if (condition && name !== '') condition[name] = read()
      else if (name === 'sid') statements.at(-1)!['Sid'] = read()
      else if (name === 'actions') statements.at(-1)!['Action'] = read()
      else if (name === 'resources') statements.at(-1)!['Resource'] = (read() as string[])[0]
    }
    return statements
  }
  const READ: Readonly<Record<keyof typeof formats, (text: string) => unknown>> = {
    json: (text) => (JSON.parse(text) as { Statement: unknown }).Statement,
    terraform: ofTerraform,
    cloudformation: (text) => {
      const { Resources } = JSON.parse(text) as {
        Resources: Record<string, { Properties: { PolicyDocument: { Statement: unknown } } }>
      }
      return Object.values(Resources)[0]!.Properties.PolicyDocument.Statement
    },
    cdk: (text) => {
      // As the CDK runs it, with a class that keeps what it is given.
      const code = text.replace(/^import .*$/m, '').replace('export const', 'const')
      const [, name = ''] = /const (\w+) =/.exec(code) ?? []
      // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own text
      const run = new Function('PolicyStatement', `${code}; return ${name}`) as (of: object) => unknown
      return run({ fromJson: (json: unknown) => json })
    },
  }

  const each = ROLES.flatMap((role) => FORMATS.map((format) => [role, format] as const))
  it.each(each)('%s as %s is read as the statements that were written', (role, format) => {
    const statements = statementsOf(role, uses)
    expect(statements.length).toBeGreaterThan(1)
    expect(READ[format](formats[format](statements, role))).toEqual(statements)
    const actions = statements.flatMap(({ Action }) => Action)
    expect(actions.every((action) => /^kms:[A-Z][A-Za-z]+$/.test(action))).toBe(true)
    expect(actions.includes('kms:Decrypt')).toBe(role !== 'administrator')
    expect(actions.includes('kms:GenerateDataKey')).toBe(role !== 'administrator')
  })
})

describe('The key is', () => {
  it.each([
    ['1234abcd', 'arn:aws:kms:REGION:ACCOUNT:key/1234abcd', undefined],
    [ARN, ARN, undefined],
    ['alias/my-app', 'arn:aws:kms:REGION:ACCOUNT:key/*', ['alias/my-app']],
    [
      'arn:aws-cn:kms:cn-north-1:111122223333:alias/my-app',
      'arn:aws-cn:kms:cn-north-1:111122223333:key/*',
      ['alias/my-app'],
    ],
  ])('for %s %s', (key, resource, aliases) => {
    const [statement] = statementsOf('application', [column({ key })])
    expect(statement?.Resource).toBe(resource)
    expect(statement?.Condition?.['ForAnyValue:StringEquals']?.['kms:ResourceAliases']).toEqual(aliases)
  })
})

describe('Statements', () => {
  it('that differ in one value of the context become one', () => {
    const tables = ['user', 'session', 'user'].map((table) => column({ context: { table } }))
    const [statement, ...others] = statementsOf('application', tables)
    expect(statement?.Condition).toEqual(underTable('session', 'user'))
    expect(others).toEqual([])
  })

  it('that differ in two stay apart: together they would allow what none of them does', () => {
    const uses = [
      { table: 'user', tenant: 'a' },
      { table: 'session', tenant: 'b' },
    ].map((context) => column({ context }))
    expect(statementsOf('application', uses)).toHaveLength(2)
  })

  it.each<[string, Partial<Use>]>([
    ['keys', { key: 'alias/other', context: { table: 'session' } }],
    ['operations', { mode: 'direct', context: { table: 'session' } }],
    ['names of the context', { context: { tenant: 'a' } }],
    ['conditions', { context: {} }],
  ])('with other %s stay apart', (_, use) => {
    expect(statementsOf('application', [column(), column(use)])).toHaveLength(2)
  })
})

describe('A policy', () => {
  const statements = statementsOf('application', [
    column({ context: { table: 'user', note: '${x} "%{y}"' } }),
  ])

  it('is JSON that IAM takes', () => {
    expect(JSON.parse(formats.json(statements, 'application'))).toEqual({
      Version: '2012-10-17',
      Statement: statements,
    })
  })

  it('is a document of Terraform, in which no text is taken for an expression', () => {
    expect(formats.terraform(statements, 'application'))
      .toBe(`data "aws_iam_policy_document" "encrypted_columns_application" {
  statement {
    sid       = "EncryptedColumns1"
    actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
    resources = ["${ARN}"]
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:table"
      values   = ["user"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:note"
      values   = ["$\${x} \\"%%{y}\\""]
    }
  }
}`)
  })

  it('is a template of CloudFormation', () => {
    expect(JSON.parse(formats.cloudformation(statements, 'writer'))).toEqual({
      Resources: {
        EncryptedColumnsWriter: {
          Type: 'AWS::IAM::ManagedPolicy',
          Properties: { PolicyDocument: { Version: '2012-10-17', Statement: statements } },
        },
      },
    })
  })

  it('is code for the CDK', () => {
    const code = formats.cdk(statements, 'application')
    const made = Array.from(
      code.matchAll(/PolicyStatement\.fromJson\((\{[^]*?\n {2}\})\),/g),
      ([, json = '']) => JSON.parse(json) as unknown,
    )
    expect(code).toMatch(
      /^import \{ PolicyStatement \} from 'aws-cdk-lib\/aws-iam'\n\nexport const encryptedColumnsApplication = \[\n/,
    )
    expect(made).toEqual(statements)
  })
})
