import { type DataSource } from 'typeorm'
import { type ReplacedMethods } from './replaced-methods'

/**
 * Where a lazy relation cannot be loaded, TypeORM rejects the promise that the application has, and one that it makes
 * of it for itself and that nobody can handle: Node ends the process for it, however well the application caught its
 * own. Trouble of KMS must not do that, so TypeORM's own is marked as handled. The application's stays as it is: not
 * caught, it still ends the process.
 *
 * Source: TypeORM, `RelationLoader.enableLazyLoad`, where `load` is followed by two calls of `then`.
 */
export function handleLazyRejections({ relationLoader }: DataSource, methods: ReplacedMethods): void {
  methods.replace(relationLoader, 'load', (load) => (...args) => {
    const rows = load(...args)
    onNextThen(rows, (related) => {
      onNextThen(related, (own) => {
        own.catch(() => undefined)
      })
    })
    return rows
  })
}

/** Tells of the promise that the next call of `then` makes, and of no later one. */
function onNextThen(promise: Promise<unknown>, made: (next: Promise<unknown>) => void): void {
  const then: typeof promise.then = (...handlers) => {
    Reflect.deleteProperty(promise, 'then')
    const next = promise.then(...handlers)
    made(next)
    return next
  }
  void Object.defineProperty(promise, 'then', { value: then, configurable: true })
}
