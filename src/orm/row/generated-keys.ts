import { type SentStatement } from '../write/parameter-rows'
import { AskedKeys } from './asked-keys'
import { InsertedKeys } from './inserted-keys'
import { type GeneratedKeys, keylessInsert } from './keyless-insert'
import { type Connection } from './located-update'

export { type GeneratedKeys } from './keyless-insert'

/** `undefined` for a statement whose values are bound to nothing that the database makes. */
export function generatedKeys(sent: SentStatement, connection: Connection): GeneratedKeys | undefined {
  const keyless = keylessInsert(sent)
  if (!keyless) return undefined
  const inserted = keyless.generated.find(({ made }) => made?.kind === 'inserted')
  return inserted ? new InsertedKeys(keyless, inserted, connection) : new AskedKeys(keyless, connection)
}
