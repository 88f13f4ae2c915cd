import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { LOADER } from '../support/loader'
import { type SoakTask } from './task'

/** How a run of the tool ended. */
export interface ToolRun {
  readonly status: number | null
  /** What it complained of, in its own words, which name no value. */
  readonly complaints: readonly string[]
  /** Of `performance.now()`. */
  readonly begun: number
}

/** Runs the tool with `--json`, over a DataSource as the processes of the application have it. */
export async function runTool(args: readonly string[], task: SoakTask): Promise<ToolRun> {
  const begun = performance.now()
  const child = spawn(
    process.execPath,
    [...LOADER, resolve('src/cli/main.ts'), ...args, '-d', join(__dirname, 'data-source.ts'), '--json'],
    { env: { ...process.env, SOAK_TASK: JSON.stringify(task) }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = (await once(child, 'exit')) as [number | null]
  const [answer, notes] = await said
  return { status, complaints: status === 0 ? [] : complaintsIn(answer, notes), begun }
}

/** An error, or the problems that `doctor` found; the last lines of what it printed if it said neither. */
function complaintsIn(answer: string, notes: string): string[] {
  const found = parsed(answer)
  if (found.error) return [`${found.error.code}: ${found.error.message}`]
  const problems = (found.findings ?? []).filter(({ level }) => level === 'problem')
  if (problems.length > 0) return problems.map(({ message }) => message)
  return [notes.trim().split('\n').slice(-5).join('\n')]
}

interface Answer {
  error?: { code: string; message: string }
  findings?: readonly { level: string; message: string }[]
}

function parsed(answer: string): Answer {
  try {
    return JSON.parse(answer) as Answer
  } catch {
    return {}
  }
}
