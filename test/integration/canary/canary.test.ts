import { KmsEncryptionError } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { builderPaths, transactionPaths } from './builder-paths'
import { Item, Vault } from './entities'
import { repositoryPaths } from './repository-paths'
import { Stage } from './stage'
import { Watch } from './watch'
import { type WritePath } from './write-path'

const paths = [...repositoryPaths, ...builderPaths, ...transactionPaths]

describe.each([
  ['with its subscriber', false, 'inline'],
  ['without any subscriber', true, 'inline'],
  ['with stored data keys', false, 'stored'],
] as const)('%s', (_, withoutSubscriber, dataKeys) => {
  describeDatabases('No plaintext leaves the application', (db) => {
    let watch: Watch
    let application: TestApplication

    beforeAll(async () => {
      watch = await Watch.over(db())
      application = await startApplication(db(), [Vault, Item], { dataKeys }, {
        ...watch.options,
        logging: 'all',
        logger: watch.logger,
        maxQueryExecutionTime: 1,
      } as object)
      const { subscribers } = application.dataSource
      if (withoutSubscriber) subscribers.splice(0)
      subscribers.push(watch.tracer)
    })

    afterAll(async () => {
      await application.stop()
      await watch.relay?.close()
    })

    async function failureOf(path: WritePath, stage: Stage): Promise<Error | undefined> {
      try {
        await path.run(stage)
        return undefined
      } catch (error) {
        watch.noteError(error)
        return error as Error
      }
    }

    test.each(paths.map((path) => [path.name, path] as const))('on the path: %s', async (_name, path) => {
      const stage = await Stage.on(application.dataSource, watch.marker)
      if (path.available?.(stage) === false) return

      const error = await failureOf(path, stage)
      if (path.refused !== undefined) {
        expect(error).toBeInstanceOf(KmsEncryptionError)
        expect(error).toHaveProperty('code', path.refused)
      } else if (path.fails) expect(error).toBeInstanceOf(Error)
      else if (error) throw error

      if (path.keeps !== false) expect(await stage.unreadable()).toEqual([])
      expect(leaks(watch.passing())).toEqual([])
    })

    test('into a table or a log of the server, on any of these paths', async () => {
      expect(leaks(await watch.lasting())).toEqual([])
    })

    test('through an object of the library', () => {
      const { encryption, dataSource } = application
      expect(leaks(watch.objects(encryption, dataSource))).toEqual([])
    })
  })
})

function leaks(findings: Record<string, string[]>): string[] {
  return Object.entries(findings).flatMap(([channel, forms]) => forms.map((form) => `${channel}: ${form}`))
}
