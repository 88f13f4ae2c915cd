import { stripVTControlCharacters } from 'node:util'
import { join } from 'node:path'
import { CreateAliasCommand, CreateKeyCommand, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { describeDatabases } from '../../../support/databases'
import { startApplication, type TestApplication } from '../../../support/encryption'
import { LOADER } from '../../../support/loader'
import { THOROUGH } from '../../../support/thorough'
import { onTerminal } from '../pseudo-terminal'
import { Account, ApiSecret } from './entities'
import { photograph } from './photograph'

const ROWS = 40
const FILE = ['-d', 'test/integration/cli/terminal/ormconfig.ts']

/** What each command says in its last line: what to do next. */
const COMMANDS: readonly [name: string, args: readonly string[], advice: RegExp][] = [
  ['keys list', ['keys', 'list'], /^→ typeorm-kms keys cancel-deletion \S+ keeps the key/],
  ['status', ['status', ...FILE], /^→ typeorm-kms encrypt -d \S+ --columns ApiSecret\.secret$/],
  ['doctor', ['doctor', ...FILE], /^No problems, \d+ warnings?\. Look at what is marked with !\.$/],
]
const WIDTHS = THOROUGH ? [80, 120] : [80]
if (!THOROUGH)
  process.stdout.write('The tool on a terminal of 120 columns: left out without TEST_THOROUGH=1.\n')

describeDatabases(
  'The tool on a terminal',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer

    beforeAll(async () => {
      app = await startApplication(db(), [Account, ApiSecret])
      server = await app.kms.listen()
      const made = await app.client.send(
        new CreateKeyCommand({ Description: 'columns of the shop, until the move to Frankfurt in spring' }),
      )
      const KeyId = made.KeyMetadata!.KeyId
      await app.client.send(new CreateAliasCommand({ AliasName: 'alias/shop-before', TargetKeyId: KeyId }))
      await app.client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 30 }))
      const ids = Array.from({ length: ROWS }, (_, id) => id)
      const codes = { codes: ['a'] }
      await app.dataSource
        .getRepository(Account)
        .insert(ids.map((id) => ({ id, privateKey: `key ${id}`, recovery: id % 4 === 0 ? null : codes })))
      await app.dataSource.getRepository(ApiSecret).insert(ids.map((id) => ({ id, secret: `secret ${id}` })))
      await db().rawQuery('UPDATE api_secret SET secret = ? WHERE id < 30', [Buffer.from('in clear')])
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
    })

    async function shown(args: readonly string[], columns: number): Promise<string> {
      const { screen } = await onTerminal({
        command: [process.execPath, ...LOADER, join(process.cwd(), 'src/cli/main.ts'), ...args],
        env: {
          TERM: 'xterm-256color',
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          AWS_ENDPOINT_URL_KMS: server.url,
          AWS_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: 'x',
          AWS_SECRET_ACCESS_KEY: 'x',
          AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
          TERMINAL_DATABASE: JSON.stringify(db().options),
        },
        columns,
      })
      await photograph(
        `terminal-${args.slice(0, 2).join('-').replace('--', '-')}-${columns}`,
        screen,
        columns,
      )
      return stripVTControlCharacters(screen).replaceAll('\r\n', '\n')
    }

    describe.each(WIDTHS)('of %i columns', (columns) => {
      test.each(COMMANDS)(
        '%s has room, breaks no word, and says what to do next',
        async (_, args, advice) => {
          const screen = await shown(args, columns)
          const lines = screen.trimEnd().split('\n')
          expect(lines.filter((line) => line.length > columns)).toEqual([])
          const advised = lines.findLastIndex((line) => /^\S/.test(line))
          expect(
            lines
              .slice(advised)
              .join(' ')
              .replace(/(?: \\)? +/g, ' '),
          ).toMatch(advice)
        },
      )
    })

    if (process.env['SCREENSHOTS'])
      test.each(WIDTHS)('progress can be photographed at %i columns', async (columns) => {
        const encrypt = [
          'encrypt',
          ...FILE,
          '--batch-size',
          '1',
          '--max-rate',
          '15',
          '--columns',
          'ApiSecret.secret',
        ]
        expect(await shown(encrypt, columns)).toContain('rows/s')
      })
  },
  { databases: ['sqlite'], without: { sqljs: 'the tool runs in a process of its own' } },
)
