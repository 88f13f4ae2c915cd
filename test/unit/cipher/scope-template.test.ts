import fc from 'fast-check'
import { Scope } from '../../../src/cipher/scope'
import { ScopeTemplate } from '../../../src/cipher/scope-template'

/** Values of pairs: short and long, in ASCII and beyond it, around the lengths at which their bytes are made otherwise. */
const values = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'binary-ascii', maxLength: 300 }),
  fc.constantFrom('', '0', '42', 'é', '€', 'a'.repeat(48), 'a'.repeat(49), 'ü'.repeat(500), '𝄞'.repeat(20)),
)
const names = fc.string({ unit: fc.constantFrom('a', 'b', 'é', 'z', '_'), minLength: 1, maxLength: 4 })

describe('A template of scopes', () => {
  const of = (fixed: { table: string; column: string }, keys: string[], rows: string[]): ScopeTemplate =>
    new ScopeTemplate(
      { context: { table: fixed.table }, binding: { column: fixed.column } },
      keys,
      rows,
      undefined,
      10,
    )

  test('makes the scope that its pairs make by themselves', () => {
    const keyed = fc.uniqueArray(fc.tuple(names, values), { selector: ([name]) => name, maxLength: 2 })
    const rows = fc.uniqueArray(fc.tuple(names, values), { selector: ([name]) => name, maxLength: 3 })
    fc.assert(
      fc.property(values, values, keyed, rows, (table, column, keyPer, row) => {
        const namesOf = (pairs: [string, string][]): string[] => pairs.map(([name]) => name)
        const template = of({ table, column }, namesOf(keyPer), namesOf(row))
        const made = template.of([...keyPer, ...row].map(([, value]) => value))
        const context = { table, ...Object.fromEntries(keyPer) }
        const binding = { column, ...Object.fromEntries(row.map(([name, value]) => [`row.${name}`, value])) }
        const scope = new Scope(context, binding)
        expect(made.aad).toEqual(scope.aad)
        expect(made.contextKey).toBe(scope.contextKey)
        expect(made.directContext).toEqual(scope.directContext)
        expect(made.directKey).toBe(scope.directKey)
      }),
      { numRuns: 500 },
    )
  })

  test('tells rows apart by every value of their keys, and knows them again', () => {
    const template = of({ table: 'user', column: 'iban' }, ['tenant', 'region'], ['id'])
    const rows = [
      ['a', 'eu', '1'],
      ['b', 'eu', '2'],
      ['a', 'us', '3'],
      // What stands together is the same text as above.
      ['ae', 'u', '4'],
      ['', 'aeu', '5'],
    ]
    for (const [tenant = '', region = '', id = ''] of [...rows, ...rows]) {
      const scope = new Scope({ table: 'user', tenant, region }, { column: 'iban', 'row.id': id })
      const made = template.of([tenant, region, id])
      expect(made.contextKey).toBe(scope.contextKey)
      expect(made.context).toEqual(scope.context)
      expect(made.aad).toEqual(scope.aad)
    }
  })

  test('leaves the scopes before as they are', () => {
    const template = of({ table: 'user', column: 'iban' }, [], ['id'])
    const first = template.of(['1'])
    const before = Buffer.from(first.aad)
    template.of(['2'])
    expect(first.aad).toEqual(before)
  })
})
