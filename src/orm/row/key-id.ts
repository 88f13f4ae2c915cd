import { BoundedMap } from '../../cipher/bounded-map'
import { type Scope } from '../../cipher/scope'
import { type KeyId } from '../../column/options'
import { InvalidOptionError } from '../../errors'

const known = new WeakMap<(...args: never[]) => unknown, BoundedMap<string, string>>()

/** The KMS key of a context. A function is asked once for it; its answers to the last `max` contexts are remembered. */
export function keyIdFor(
  keyId: KeyId,
  scope: Pick<Scope, 'context' | 'contextKey'>,
  place: { entity: string; property: string },
  max: number,
): string {
  if (typeof keyId === 'string') return keyId
  let keys = known.get(keyId)
  if (!keys) known.set(keyId, (keys = new BoundedMap(max)))
  const { context, contextKey } = scope
  let key = keys.get(contextKey)
  if (key === undefined) {
    key = asked(keyId, context, place)
    keys.set(contextKey, key)
  }
  return key
}

function asked(
  keyId: Exclude<KeyId, string>,
  context: Scope['context'],
  place: { entity: string; property: string },
): string {
  let key: unknown
  try {
    key = keyId({ ...context })
  } catch (cause) {
    throw new InvalidOptionError('the function keyId failed for the encryption context of this row', {
      ...place,
      cause,
    })
  }
  if (typeof key === 'string' && key !== '') return key
  const gave = key instanceof Promise ? 'a promise, and must not be async' : 'no key'
  if (key instanceof Promise) key.catch(() => undefined)
  throw new InvalidOptionError(
    `the function keyId gave ${gave}: it must return the id, ARN or alias of a KMS key for each encryption context.`,
    place,
  )
}
