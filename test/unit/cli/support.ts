import { PassThrough, Readable, Writable } from 'node:stream'
import { run } from '../../../src/cli/run'

interface Situation {
  /** Somebody sits at a terminal this wide; what they type is `stdin`. */
  columns?: number
  stdin?: string | Buffer
}

/** Runs the tool in this process, with streams of its own. */
export async function tool(
  args: readonly string[],
  { columns, stdin = '' }: Situation = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  const collect = () => {
    const chunks: string[] = []
    const stream = new Writable({
      write(chunk: Buffer, _, done) {
        chunks.push(chunk.toString())
        done()
      },
    })
    return { chunks, stream }
  }
  const out = collect()
  const err = collect()
  const isTTY = columns !== undefined
  const input = isTTY ? new PassThrough() : Readable.from([Buffer.from(stdin)])
  if (input instanceof PassThrough) input.write(stdin)
  const status = await run(args, {
    stdin: Object.assign(input, { isTTY }),
    stdout: Object.assign(out.stream, { isTTY, ...(isTTY ? { columns } : {}) }),
    stderr: Object.assign(err.stream, { isTTY }),
    env: {},
  })
  return { status, stdout: out.chunks.join(''), stderr: err.chunks.join('') }
}
