import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { changes, commented, examples as documented } from '../support/examples'
import { root } from '../unit/docs/documents'

/** Names that an example may use without saying where they come from. */
const CONTEXT = `
import type { Logger } from './logger'
import type { Repository, DataSource as AnyDataSource, DataSourceOptions } from 'typeorm'
import type { KmsEncryption } from 'typeorm-kms-encrypted'
declare global {
  class User {
    id: number
    email: string
    publicKey: string
    privateKey: string
    recovery: { codes: string[] } | null
  }
  const dataSource: AnyDataSource
  const options: DataSourceOptions
  class Customer { id: string; email: string; iban: string; notes: string[] | null }
  const users: Repository<User>
  const cards: Repository<{ card: string }>
  const people: Repository<{ last: string; first: string; born: Date }>
  const born: Date
  const encryption: KmsEncryption
  const kms: import('typeorm-kms-encrypted/local-kms').LocalKms
  const client: import('@aws-sdk/client-kms').KMSClient
  const logger: Logger
  const stored: Buffer
  const [email, publicKey, privateKey, pem, keyId]: string[] & [string, string, string, string, string]
  const id: number
  const { KmsEncrypted, kmsEncryptedColumn, kmsEncryption, undecryptable, isUndecryptable, Indexed }: typeof import('typeorm-kms-encrypted')
  const { LocalKms }: typeof import('typeorm-kms-encrypted/local-kms')
  const { decryptColumns, encryptColumns, rotateColumns, isBinaryColumn, columnStatus }: typeof import('typeorm-kms-encrypted/migration')
  const { DataSource, Entity, Column, PrimaryGeneratedColumn }: typeof import('typeorm')
  const { CreateKeyCommand, KMSClient, DecryptCommand, EncryptCommand, ScheduleKeyDeletionCommand }: typeof import('@aws-sdk/client-kms')
  const { subscribe }: typeof import('node:diagnostics_channel')
  type MigrationInterface = import('typeorm').MigrationInterface
  type QueryRunner = import('typeorm').QueryRunner
  type KmsCallEvent = import('typeorm-kms-encrypted').KmsCallEvent
}
export {}
`
/** What examples of OpenTelemetry import: it is no dependency of this project. */
const FOREIGN = `
declare module '@opentelemetry/api' { export const metrics: { getMeter(name: string): Meter }
  interface Meter { createHistogram(name: string, options?: object): { record(value: number, attributes: object): void }
    createCounter(name: string, options?: object): { add(value: number, attributes: object): void } } }
declare module '@opentelemetry/sdk-trace-base' {
  export interface Span { attributes: Record<string, unknown>; setAttribute(name: string, value: string): void }
  export interface SpanProcessor { onStart(span: Span): void; onEnding?(span: Span): void; onEnd(span: Span): void
    forceFlush(): Promise<void>; shutdown(): Promise<void> } }
declare module 'aws-cdk-lib' { export class Stack {} export class Duration { static days(n: number): Duration }
  export enum RemovalPolicy { RETAIN } }
declare module 'aws-cdk-lib/aws-kms' { export class Key { constructor(scope: object, id: string, props: { alias: string
  enableKeyRotation: boolean; removalPolicy: number; pendingWindow: object }) } }
declare module '*/data-source' { export const User: typeof globalThis.User
  export default function createDataSource(): Promise<import('typeorm').DataSource> }
declare module '*/logger' { export interface Logger { warn(...args: unknown[]): void } }
`

const examples = [...documented, ...changes, ...commented]

/** Of declarations without an initialiser, of a name that a later example declares again, of what is not used. */
const HARMLESS = [6133, 6192, 6196, 6198]
/** Of names that a doc comment leaves to its reader, and what follows of them. What is named is checked. */
const LEFT_TO_READERS = [1108, 2304, 2307, 2552, 7006, 18004, 18046]

test('every example of the documents compiles under strict', () => {
  const folder = mkdtempSync(join(root, 'node_modules/.cache-examples-'))
  try {
    const files = examples.map(({ code }, index) => {
      const file = join(folder, `example-${index}.ts`)
      writeFileSync(file, `${code}\nexport {}\n`)
      return file
    })
    const context = join(folder, 'context.d.ts')
    const foreign = join(folder, 'foreign.d.ts')
    writeFileSync(context, CONTEXT)
    writeFileSync(foreign, FOREIGN)
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
      config: { compilerOptions: Record<string, unknown> }
    }
    const { options } = ts.convertCompilerOptionsFromJson(
      { ...config.compilerOptions, module: 'ESNext', moduleResolution: 'Bundler', rootDir: undefined },
      root,
    )
    const program = ts.createProgram([context, foreign, ...files], { ...options, noUnusedLocals: false })
    const faults = files.flatMap((file, index) => {
      const source = program.getSourceFile(file)
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
        .filter(({ code }) => !HARMLESS.includes(code))
        .filter(({ code }) => index < examples.length - commented.length || !LEFT_TO_READERS.includes(code))
        .map(({ messageText, start = 0 }) => {
          const line = source?.getLineAndCharacterOfPosition(start).line ?? 0
          const message = ts.flattenDiagnosticMessageText(messageText, '\n')
          return `${examples[index]?.place ?? relative(folder, file)} (line ${line + 1}): ${message}`
        })
    })
    expect(examples.length).toBeGreaterThan(10)
    expect(faults).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
