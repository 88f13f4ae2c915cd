import { createRequire } from 'node:module'
import { type DataSource } from 'typeorm'
import { type Finding, finding } from './finding'

/** OpenTelemetry's instrumentation of TypeORM, and what it was called before. */
const INSTRUMENTATIONS = ['@opentelemetry/instrumentation-typeorm', 'opentelemetry-instrumentation-typeorm']

const REMEDY =
  'leave it out of the instrumentations, or switch it off: new TypeormInstrumentation({ enabled: false }). No other setting of it leaves out the values. Trace the driver instead, which sees ciphertext; docs/opentelemetry.md has a span processor that removes the attribute.'

/**
 * Does something record what is saved? OpenTelemetry's instrumentation of TypeORM writes the arguments of `save`,
 * entities with their plaintext, into the spans as `db.query.text` (`db.statement`), and has no option against it.
 *
 * @param file The data source's file: packages are looked for from there.
 */
export function tracingFindings({ manager }: DataSource, file: string): Finding[] {
  // This is how instrumentations mark the methods that they replace.
  const { save } = manager as { save: unknown }
  const { __wrapped: wrapped } = save as { __wrapped?: unknown }
  if (wrapped === true) {
    return [
      finding(
        'application',
        'problem',
        "save() of TypeORM is instrumented (OpenTelemetry's instrumentation does that): saved entities, plaintext included, are in its spans.",
        REMEDY,
      ),
    ]
  }
  const installed = INSTRUMENTATIONS.filter((name) => isInstalled(name, file))
  return installed.map((name) =>
    finding(
      'application',
      'warning',
      `${name} is installed. Where it is on, saved entities, plaintext included, are in its spans.`,
      REMEDY,
    ),
  )
}

function isInstalled(name: string, file: string): boolean {
  try {
    createRequire(file).resolve(name)
    return true
  } catch {
    return false
  }
}
