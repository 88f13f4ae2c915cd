import { type Role, type Statement } from './statements'

export const FORMATS = ['json', 'terraform', 'cloudformation', 'cdk'] as const
export type Format = (typeof FORMATS)[number]

/** The text of a policy, to be pasted. */
export const formats: Readonly<Record<Format, (statements: readonly Statement[], role: Role) => string>> = {
  json: (Statement) => JSON.stringify({ Version: '2012-10-17', Statement }, null, 2),

  terraform: (statements, role) =>
    block(`data "aws_iam_policy_document" "encrypted_columns_${role}"`, statements.map(terraformStatement)),

  cloudformation: (Statement, role) =>
    JSON.stringify(
      {
        Resources: {
          [`EncryptedColumns${capital(role)}`]: {
            Type: 'AWS::IAM::ManagedPolicy',
            Properties: { PolicyDocument: { Version: '2012-10-17', Statement } },
          },
        },
      },
      null,
      2,
    ),

  cdk: (statements, role) =>
    [
      "import { PolicyStatement } from 'aws-cdk-lib/aws-iam'",
      '',
      `export const encryptedColumns${capital(role)} = [`,
      ...statements.map((statement) =>
        indented(`PolicyStatement.fromJson(${JSON.stringify(statement, null, 2)}),`),
      ),
      ']',
    ].join('\n'),
}

function terraformStatement({ Sid, Action, Resource, Condition = {} }: Statement): string {
  const conditions = Object.entries(Condition).flatMap(([test, variables]) =>
    Object.entries(variables).map(([variable, values]) =>
      block('condition', [
        `test     = ${quoted(test)}`,
        `variable = ${quoted(variable)}`,
        `values   = ${list(values)}`,
      ]),
    ),
  )
  return block('statement', [
    `sid       = ${quoted(Sid)}`,
    `actions   = ${list(Action)}`,
    `resources = ${list([Resource])}`,
    ...conditions,
  ])
}

function block(head: string, lines: readonly string[]): string {
  return [`${head} {`, ...lines.map(indented), '}'].join('\n')
}

function list(values: readonly string[]): string {
  return `[${values.map(quoted).join(', ')}]`
}

/** Terraform reads `${` and `%{` in a text as the beginning of an expression. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[$%](?=\{)/g, '$&$&')
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
