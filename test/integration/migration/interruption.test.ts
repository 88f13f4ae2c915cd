import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { onTerminal } from '../cli/pseudo-terminal'
import { Account } from './account'
import { LOADER } from '../../support/loader'

const ROWS = 400

const itOnce = itWithInstalledTypeorm('Interruption of the tool')

describeDatabases(
  'typeorm-kms encrypt',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer

    beforeAll(async () => {
      app = await startApplication(db(), [Account])
      server = await app.kms.listen()
    })
    beforeEach(async () => {
      await db().rawQuery('DELETE FROM account')
      const ids = Array.from({ length: ROWS }, (_, id) => id)
      await db().rawQuery(
        `INSERT INTO account (id, secret) VALUES ${ids.map(() => '(?, ?)').join(', ')}`,
        ids.flatMap((id) => [id, Buffer.from(`secret ${id}`)]),
      )
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
    })

    const tool = (...args: string[]) => ({
      command: [
        process.execPath,
        ...LOADER,
        resolve('src/cli/main.ts'),
        ...args,
        ...['-d', join(__dirname, 'cli-ormconfig.ts')],
      ],
      env: {
        PATH: process.env['PATH'],
        CLI_TASK: JSON.stringify({ options: db().options, endpoint: server.url }),
      },
    })
    /** Starts the tool with no terminal. */
    const start = (...args: string[]) => {
      const { command, env } = tool(...args)
      const [program, ...rest] = command as [string, ...string[]]
      const child = spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
      const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
      return { child, exit, stdout: text(child.stdout), stderr: text(child.stderr) }
    }
    const status = () => columnStatus(app.dataSource, Account, 'secret')
    const someEncrypted = async (): Promise<void> => {
      while ((await status()).ciphertext.length === 0) await nextTurn()
    }
    const lockingStatements = async (): Promise<number> => {
      const [row] = await db().rawQuery(
        "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Query' AND info LIKE 'SELECT %FOR UPDATE'",
      )
      return Number(row!['n'])
    }

    itOnce('stops after the batches under way at SIGINT, says how to go on, and goes on', async () => {
      const { child, exit, stdout, stderr } = start('encrypt', '--batch-size', '10', '--max-rate', '200')
      await someEncrypted()
      child.kill('SIGINT')
      expect(await exit).toEqual([1, null])
      const { plaintext, ciphertext } = await status()
      expect(plaintext).toBeGreaterThan(0)
      const done = ciphertext[0]!.rows
      expect(done + plaintext).toBe(ROWS)
      expect(await stderr).toContain('Stopping after the batches under way')
      expect(await stderr).toContain(
        `INTERRUPTED: Account.secret: stopped as asked. ${done} of ${ROWS} rows were encrypted and stay so; run the same again to go on.`,
      )
      expect(await stdout).toBe('')

      const again = start('encrypt')
      expect(await again.exit).toEqual([0, null])
      expect(await again.stdout).toContain(`${plaintext} encrypted`)
      expect(`${await again.stdout}${await again.stderr}`).not.toMatch(/[█░\r]/)
      expect(await verifyColumns(app.dataSource, Account, ['secret'])).toMatchObject([
        { failed: 0, rows: ROWS },
      ])
    })

    itOnce('ends at once at the second SIGINT', async () => {
      // Somebody else's lock keeps a batch under way.
      const other = app.dataSource.createQueryRunner()
      await other.startTransaction()
      await other.query('SELECT * FROM account WHERE id = 399 FOR UPDATE')
      const { child, exit } = start('encrypt', '--batch-size', '100')
      const seen: string[] = []
      child.stderr.on('data', (chunk: Buffer) => seen.push(String(chunk)))
      while ((await lockingStatements()) === 0) await nextTurn()
      child.kill('SIGINT')
      while (!seen.join('').includes('Stopping')) await once(child.stderr, 'data')
      child.kill('SIGINT')
      expect(await exit).toEqual([null, 'SIGINT'])
      await other.rollbackTransaction()
      await other.release()
      expect(await start('encrypt').exit).toEqual([0, null])
      expect(await status()).toMatchObject({ plaintext: 0, rows: ROWS })
    })

    itOnce('shows a bar with rate and remaining time on a terminal, and stops at Ctrl-C', async () => {
      const slowly = ['encrypt', '--batch-size', '10', '--max-rate', '400']
      const session = await onTerminal({
        ...tool(...slowly),
        keys: { after: 'left', press: '\u0003' },
      })
      const screen = stripVTControlCharacters(session.screen).replaceAll('\r', '\n')
      expect(session.status).toBe(1)
      expect(screen).toMatch(/\n█*░+ Account\.secret: \d+ of 400 rows \(\d+ %\), \d+ rows\/s, \d+ s left/)
      expect(screen).toMatch(/\nStopping after the batches under way.*\n/)
      const sentences = screen.replace(/\n+ +/g, ' ')
      expect(sentences).toMatch(/✗.* INTERRUPTED: .* run the same again to go on\./)
      // The terminal echoes ^C.
      const bars = screen
        .replace('^C', '')
        .split('\n')
        .filter((line) => /[█░]/.test(line))
      expect(Math.max(...bars.map(({ length }) => length))).toBeLessThan(80)

      const narrow = await onTerminal({ ...tool(...slowly), columns: 60 })
      expect(narrow.status).toBe(0)
      expect(narrow.screen).toMatch(/\rAccount\.secret: \d+ of 400 rows/)
      expect(narrow.screen).not.toMatch(/[█░]/)
    })

    itOnce('prints only JSON with --json, on a terminal too', async () => {
      const { screen, status: code } = await onTerminal(tool('encrypt', '--json', '--max-rate', '1000'))
      expect(code).toBe(0)
      expect(JSON.parse(screen)).toMatchObject([{ entity: 'Account', property: 'secret', changed: ROWS }])
    })

    itOnce('asks before it decrypts, and changes nothing without the word', async () => {
      await start('encrypt').exit
      const keys = { after: 'Type "decrypt" to go on: ', press: '\u0003' }
      const left = await onTerminal({ ...tool('decrypt'), keys })
      expect(left.status).toBe(1)
      expect(left.screen).toContain('Nothing was changed')
      expect(await status()).toMatchObject({ plaintext: 0 })
      const said = await onTerminal({ ...tool('decrypt'), keys: { ...keys, press: 'decrypt\r' } })
      expect(said.status).toBe(0)
      expect(await status()).toMatchObject({ plaintext: ROWS })
    })
  },
  { databases: ['mariadb'] },
)
