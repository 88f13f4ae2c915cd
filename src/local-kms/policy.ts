import { KmsException } from './exception'
import { type Location } from './key-identifier'

type OneOrMore = string | readonly string[]

/** Values by condition key, e.g. `kms:EncryptionContext:tenantId`. */
export type LocalKmsCondition = Readonly<Record<string, OneOrMore>>

/** A statement of an IAM policy. */
export interface LocalKmsStatement {
  readonly Sid?: string
  readonly Effect: 'Allow' | 'Deny'
  /** `kms:Decrypt`, `kms:GenerateDataKey*`, `kms:*`. */
  readonly Action: OneOrMore
  /** ARNs of keys, with `*` and `?`. */
  readonly Resource: OneOrMore
  /** By operator: `StringEquals`, `StringNotEquals`, `StringLike`, `StringNotLike`, `Null`, and with `ForAllValues:` or `ForAnyValue:`. */
  readonly Condition?: Readonly<Record<string, LocalKmsCondition>>
}

/** An IAM policy, as far as the embedded KMS reads it. */
export interface LocalKmsPolicy {
  readonly Version?: string
  readonly Statement: LocalKmsStatement | readonly LocalKmsStatement[]
}

/** A request that a policy judges. */
export interface Asked {
  /** Without `kms:`. */
  readonly action: string
  /** ARN of the key; `undefined` for operations that the embedded KMS does not look at the resource of. */
  readonly resource: string | undefined
  readonly context: Readonly<Record<string, string>>
}

/** Values of a condition key in a request. */
type Values = (key: string, asked: Asked) => readonly string[]

const CONTEXT = 'kms:encryptioncontext:'

/** Names of condition keys are not case-sensitive, values are. */
const valuesOf: Values = (key, { context }) => {
  const name = key.toLowerCase()
  if (name === 'kms:encryptioncontextkeys') return Object.keys(context)
  const pair = Object.entries(context).find(([each]) => `${CONTEXT}${each.toLowerCase()}` === name)
  return pair ? [pair[1]] : []
}

const matches = {
  StringEquals: (value: string, wanted: string) => value === wanted,
  StringLike: (value: string, wanted: string) => like(wanted).test(value),
}

/**
 * The policy of one caller. What it does not read is refused when it is set, so that no policy seems to hold that does
 * not: principals, variables, other operators and condition keys.
 */
export class Policy {
  readonly #statements: readonly LocalKmsStatement[]

  /** @throws TypeError for what the embedded KMS does not read. */
  constructor({ Statement }: LocalKmsPolicy) {
    this.#statements = isList(Statement) ? Statement : [Statement]
    for (const statement of this.#statements) check(statement)
  }

  /** Throws `AccessDeniedException` for a request that it does not allow. */
  authorise(asked: Asked, caller: string, { accountId }: Location): void {
    const fitting = this.#statements.filter((statement) => fits(statement, asked))
    const isDenied = fitting.some(({ Effect }) => Effect === 'Deny')
    if (!isDenied && fitting.length > 0) return
    const why = isDenied
      ? 'with an explicit deny in an identity-based policy'
      : `because no identity-based policy allows the kms:${asked.action} action`
    throw new KmsException(
      'AccessDeniedException',
      `User: arn:aws:iam::${accountId}:user/${caller} is not authorized to perform: kms:${asked.action} on resource: ${asked.resource ?? '*'} ${why}`,
    )
  }
}

function fits({ Action, Resource, Condition = {} }: LocalKmsStatement, asked: Asked): boolean {
  const { resource } = asked
  return (
    listOf(Action).some((action) => like(action.toLowerCase()).test(`kms:${asked.action}`.toLowerCase())) &&
    (resource === undefined || listOf(Resource).some((each) => like(each).test(resource))) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => holds(operator, valuesOf(key, asked), listOf(wanted))),
    )
  )
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */
function holds(operator: string, values: readonly string[], wanted: readonly string[]): boolean {
  const [name = '', set] = operator.split(':').reverse()
  if (name === 'Null') return wanted.includes(String(values.length === 0))
  const isNegated = name.startsWith('StringNot')
  const compare = matches[name.replace('Not', '') as keyof typeof matches]
  const isWanted = (value: string): boolean => wanted.some((each) => compare(value, each)) !== isNegated
  if (set === 'ForAllValues') return values.every(isWanted)
  if (set === 'ForAnyValue') return values.some(isWanted)
  // What is not there equals nothing.
  return values.length === 0 ? isNegated : values.every(isWanted)
}

function check({ Effect, Action, Resource, Condition = {}, ...others }: LocalKmsStatement): void {
  const refuse = (what: string): never => {
    throw new TypeError(`The embedded KMS does not read ${what} of a policy`)
  }
  const unknown = Object.keys(others).find((name) => name !== 'Sid')
  if (unknown !== undefined) refuse(unknown)
  if (!['Allow', 'Deny'].includes(Effect)) refuse(`the Effect ${Effect as string}`)
  for (const text of [...listOf(Action), ...listOf(Resource)]) {
    if (text.includes('${')) refuse(`the variable in ${text}`)
  }
  for (const [operator, keys] of Object.entries(Condition)) {
    if (!/^(?:(?:ForAllValues|ForAnyValue):)?String(?:Not)?(?:Equals|Like)$|^Null$/.test(operator))
      refuse(`the operator ${operator}`)
    for (const [key, values] of Object.entries(keys)) {
      if (!/^kms:EncryptionContext(?:Keys$|:.)/i.test(key)) refuse(`the condition key ${key}`)
      if (listOf(values).some((value) => value.includes('${'))) refuse(`the variable in ${key}`)
    }
  }
}

function isList(given: LocalKmsPolicy['Statement']): given is readonly LocalKmsStatement[] {
  return Array.isArray(given)
}

function listOf(values: OneOrMore): readonly string[] {
  return typeof values === 'string' ? [values] : values
}

/** `*` for any characters, `?` for one. */
function like(pattern: string): RegExp {
  const text = pattern
    .replace(/[\\^$.+()[\]{}|/-]/g, '\\$&')
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]')
  return new RegExp(`^${text}$`)
}
