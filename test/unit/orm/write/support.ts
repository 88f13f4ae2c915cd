import { type Recipe, Cipher } from '../../../../src/cipher/cipher'
import { Scope } from '../../../../src/cipher/scope'
import { type KmsEncryptedOptions } from '../../../../src/column/options'
import { Scheme } from '../../../../src/column/scheme'
import { BoundColumn } from '../../../../src/orm/bound-column'
import { OpenedResults } from '../../../../src/orm/read/opened-results'
import { constantRecipes, type Recipes } from '../../../../src/orm/recipe'
import { type ColumnMetadata } from '../../../../src/orm/typeorm-types'
import { type PlaintextWrites } from '../../../../src/orm/write/plaintext-writes'
import { MemoryKms } from '../../cipher/memory-kms'

const ciphers: Cipher[] = []

/** The encrypted column `User.NAME` of a DataSource that has nothing else; bound to no row, unless `recipes` are. */
export function columnOf(
  options: KmsEncryptedOptions = { type: 'string' },
  name = 'secret',
  { recipes, plaintextWrites }: { recipes?: Recipes; plaintextWrites?: PlaintextWrites | undefined } = {},
): BoundColumn {
  const cipher = new Cipher(new MemoryKms(), { maxAge: 60_000, maxValues: 100, maxKeys: 10 })
  ciphers.push(cipher)
  const metadata = {
    entityMetadata: { name: 'User', tablePath: 'user' },
    propertyPath: name,
    databaseName: name,
  } as unknown as ColumnMetadata
  const recipe: Recipe = {
    mode: 'envelope',
    keyId: 'alias/one',
    scope: new Scope({ table: 'user' }, { column: name }),
    usesStoredKey: false,
  }
  return new BoundColumn(
    metadata,
    new Scheme(options, {}),
    recipes ?? constantRecipes(recipe),
    cipher,
    new OpenedResults(),
    'throw',
    'bytes',
    plaintextWrites,
  )
}

export function closeColumns(): void {
  for (const cipher of ciphers.splice(0)) cipher.close()
}
