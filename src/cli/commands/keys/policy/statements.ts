import { type EncryptionContext } from '../../../../cipher/context'
import { type Mode } from '../../../../cipher/cipher'

/** Whom a policy is for. */
export const ROLES = ['application', 'writer', 'migration', 'administrator'] as const
export type Role = (typeof ROLES)[number]

/** A way in which the columns of an application ask KMS. */
export interface Use {
  /** Id, ARN or alias, as the application names it. */
  readonly key: string
  readonly mode: Mode
  readonly context: EncryptionContext
  /** False for earlier settings, under which values are only opened. */
  readonly seals: boolean
  /** A key of blind indexes: that of the options, or one in the key table. Who searches or writes opens it. */
  readonly indexKey?: 'given' | 'stored'
}

/** One statement of an IAM policy. */
export interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow'
  readonly Action: readonly string[]
  readonly Resource: string
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
}

const ALIASES = ['kms:CreateAlias', 'kms:UpdateAlias', 'kms:DeleteAlias']

/** What `keys` and `doctor` ask of a key, and what none of them decrypts by. */
const ADMINISTRATION = [
  'kms:DescribeKey',
  'kms:EnableKey',
  'kms:DisableKey',
  'kms:EnableKeyRotation',
  'kms:DisableKeyRotation',
  'kms:GetKeyRotationStatus',
  'kms:RotateKeyOnDemand',
  'kms:ScheduleKeyDeletion',
  'kms:CancelKeyDeletion',
  ...ALIASES,
]

/** The statements of a role: one for each key, set of operations and names of contexts. */
export function statementsOf(role: Role, uses: readonly Use[], target?: string): Statement[] {
  if (role === 'administrator') return administration(uses)
  const statements = merge(uses.flatMap((use) => statementOf(use, operations(role, use))))
  if (role !== 'migration') return numbered(statements)
  const moved =
    target === undefined
      ? []
      : merge(
          uses.flatMap((use) =>
            statementOf({ ...use, key: target, seals: true }, operations(role, { ...use, seals: true })),
          ),
        )
  // DescribeKey knows no encryption context, so a condition on one would deny it.
  const described = [
    ...new Set([...uses.map(({ key }) => key), ...(target === undefined ? [] : [target])]),
  ].map((key) => ({ Action: ['kms:DescribeKey'], ...resourceOf(key) }))
  return numbered([...statements, ...moved, ...described])
}

type Unnumbered = Omit<Statement, 'Sid' | 'Effect'>

function operations(role: Role, { mode, seals, indexKey }: Use): string[] {
  if (indexKey !== undefined) return operationsOnIndexKey(role, indexKey)
  const sealing = seals ? [mode === 'direct' ? 'kms:Encrypt' : 'kms:GenerateDataKey'] : []
  if (role === 'writer') return sealing
  if (role === 'application') return [...sealing, 'kms:Decrypt']
  return [...sealing, 'kms:Decrypt', 'kms:ReEncryptFrom', ...(seals ? ['kms:ReEncryptTo'] : [])]
}

/** Leave for the other data keys of the table is leave for its index keys as well; a writer opens none of those. */
function operationsOnIndexKey(role: Role, indexKey: 'given' | 'stored'): string[] {
  if (role === 'writer') return ['kms:Decrypt']
  if (indexKey === 'stored') return []
  return ['kms:Decrypt', ...(role === 'migration' ? ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] : [])]
}

function administration(uses: readonly Use[]): Statement[] {
  const keys = [...new Set(uses.map(({ key }) => key))]
  return numbered([
    ...keys.map((key) => ({ Action: ADMINISTRATION, ...resourceOf(key) })),
    // To change an alias needs leave on the key and on the alias.
    ...keys.map((key) => ({ Action: ALIASES, Resource: aliasOf(key) })),
    { Action: ['kms:CreateKey', 'kms:ListAliases', 'kms:ListKeys'], Resource: '*' },
  ])
}

function statementOf({ key, context }: Use, Action: string[]): Unnumbered[] {
  if (Action.length === 0) return []
  const { Resource, Condition } = resourceOf(key)
  const names = Object.entries(context).map(([name, value]): [string, string[]] => [
    `kms:EncryptionContext:${name}`,
    [value],
  ])
  const condition = names.length === 0 ? Condition : { StringEquals: Object.fromEntries(names), ...Condition }
  return [{ Action, Resource, ...(condition ? { Condition: condition } : {}) }]
}

/**
 * A policy names keys by ARN. An alias names another key when it is moved, so IAM takes it as a condition only.
 *
 * Source: AWS KMS Developer Guide, "Use aliases to control access to KMS keys".
 */
function resourceOf(key: string): Pick<Unnumbered, 'Resource' | 'Condition'> {
  const { place, alias } = aliasIn(key)
  if (alias !== undefined) {
    return {
      Resource: `${place}:key/*`,
      Condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [alias] } },
    }
  }
  return { Resource: key.startsWith('arn:') ? key : `${place}:key/${key}` }
}

function aliasOf(key: string): string {
  const { place, alias = 'alias/*' } = aliasIn(key)
  return `${place}:${alias}`
}

/** The alias that a key is named by, with or without the ARN before it, and where it is. */
function aliasIn(key: string): { place: string; alias: string | undefined } {
  const [, place = 'arn:aws:kms:REGION:ACCOUNT', alias] =
    /^(?:(arn:[^:]+:kms:[^:]*:[^:]*):)?(alias\/.+)$/.exec(key) ?? []
  return { place, alias }
}

/** Statements that differ in the values of one pair of the context become one with all of them. */
function merge(statements: readonly Unnumbered[]): Unnumbered[] {
  const merged: Unnumbered[] = []
  for (const statement of statements) {
    const at = merged.findIndex((other) => mergedWith(other, statement) !== undefined)
    const found = merged[at]
    if (found) merged[at] = mergedWith(found, statement) ?? found
    else merged.push(statement)
  }
  return merged
}

function mergedWith(one: Unnumbered, other: Unnumbered): Unnumbered | undefined {
  if (same(one, other)) return one
  const [first, second] = [contextOf(one), contextOf(other)]
  const differing = Object.keys({ ...first, ...second }).filter((name) => !same(first[name], second[name]))
  const [name = '', ...more] = differing
  const [mine, others] = [first[name], second[name]]
  if (more.length > 0 || !mine || !others) return undefined
  const rest = (statement: Unnumbered) => ({
    ...statement,
    Condition: { ...statement.Condition, StringEquals: { ...contextOf(statement), [name]: [] } },
  })
  if (!same(rest(one), rest(other))) return undefined
  const values = [...new Set([...mine, ...others])].sort()
  return { ...one, Condition: { ...one.Condition, StringEquals: { ...first, [name]: values } } }
}

function contextOf({ Condition }: Unnumbered): Readonly<Record<string, readonly string[]>> {
  return Condition?.['StringEquals'] ?? {}
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function numbered(statements: readonly Unnumbered[]): Statement[] {
  return statements.map((statement, index) => ({
    Sid: `EncryptedColumns${index + 1}`,
    Effect: 'Allow',
    ...statement,
  }))
}
