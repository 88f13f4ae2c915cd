import { execFile } from 'node:child_process'

/** What became of a program on a terminal: all that was on its screen, as bytes that the terminal got. */
export interface Session {
  status: number
  screen: string
}

interface Program {
  command: readonly string[]
  env: NodeJS.ProcessEnv
  /** Once the screen shows the text, these keys are pressed. */
  keys?: { after: string; press: string }
  columns?: number
}

/** Node.js cannot open a pseudo-terminal; Python's standard library can. */
const SCRIPT = `
import fcntl, json, os, pty, struct, sys, termios
program = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, program['columns'], 0, 0))
    os.execvp(program['command'][0], program['command'])
screen, keys = b'', program.get('keys')
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    screen += data
    if keys and keys['after'].encode() in screen:
        os.write(terminal, keys['press'].encode())
        keys = None
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({'status': status, 'screen': screen.decode()}))
`

/** Runs a program as if somebody sat there. */
export function onTerminal({ env, columns = 80, ...program }: Program): Promise<Session> {
  return new Promise((resolve, reject) => {
    const args = ['-c', SCRIPT, JSON.stringify({ ...program, columns })]
    execFile('python3', args, { env }, (error, stdout, stderr) => {
      if (error) reject(new Error(`python3 failed: ${stderr}`, { cause: error }))
      else resolve(JSON.parse(stdout) as Session)
    })
  })
}
