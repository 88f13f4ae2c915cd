import { type EncryptionContext, serialiseContext } from '../../../src/cipher/context'
import { Scope } from '../../../src/cipher/scope'

describe('A scope', () => {
  const scope = new Scope({ table: 'user', tenant: 'a' }, { column: 'token' })

  test('shares data keys with the scopes of the same context, whatever their binding', () => {
    const { contextKey } = new Scope({ tenant: 'a', table: 'user' }, { column: 'other' })
    expect(contextKey).toBe(scope.contextKey)
  })

  test('shares no data keys with the scopes of another context', () => {
    const others: EncryptionContext[] = [
      { table: 'user' },
      { table: 'user', tenant: 'b' },
      { table: 'user', tenant: 'a', x: '' },
    ]
    for (const context of others) {
      expect(new Scope(context, { column: 'token' }).contextKey).not.toBe(scope.contextKey)
    }
  })

  test('binds an envelope ciphertext to magic, version, suite, context and binding', () => {
    const pairs = serialiseContext({ table: 'user', tenant: 'a', column: 'token' })
    expect(scope.aad).toEqual(Buffer.concat([Buffer.from('c10101', 'hex'), pairs]))
  })

  test('binds a direct ciphertext to context and binding together', () => {
    expect(scope.directContext).toEqual({ table: 'user', tenant: 'a', column: 'token' })
    expect(scope.context).toEqual({ table: 'user', tenant: 'a' })
  })
})
