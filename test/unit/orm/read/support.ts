import { type ObjectLiteral } from 'typeorm'
import { asPlaintext } from '../../../../src/cipher/bytes'
import { Cipher } from '../../../../src/cipher/cipher'
import { Scope } from '../../../../src/cipher/scope'
import { type Delivery } from '../../../../src/column/driver-value'
import { type KmsEncryptedOptions, type OnUndecryptable } from '../../../../src/column/options'
import { Scheme } from '../../../../src/column/scheme'
import { RowUnknownError } from '../../../../src/errors'
import { BoundColumn } from '../../../../src/orm/bound-column'
import { OpenedResults } from '../../../../src/orm/read/opened-results'
import { type EncryptedResult } from '../../../../src/orm/read/result-columns'
import { constantRecipes, type Recipes, type RowRecipe, type RowValues } from '../../../../src/orm/recipe'
import { type ColumnMetadata } from '../../../../src/orm/typeorm-types'
import { MemoryKms } from '../../cipher/memory-kms'

const ciphers: Cipher[] = []

export interface ColumnOptions {
  options?: KmsEncryptedOptions
  name?: string
  kms?: MemoryKms
  cipher?: Cipher
  mode?: 'envelope' | 'direct'
  /** Values are bound to `id`. */
  isBound?: boolean
  /** Contexts of earlier settings. */
  previous?: string[]
  onUndecryptable?: OnUndecryptable
  delivery?: Delivery
  results?: OpenedResults
}

/** The scope of values of `User.NAME`; `of` tells contexts apart. */
export function scopeOf(of = 'now', name = 'secret'): Scope {
  return new Scope({ table: 'user', of }, { column: name })
}

/** A cipher with no data key in memory, as a process that has just started has it. */
export function freshCipher(kms: MemoryKms, maxKeys = 200): Cipher {
  const cipher = new Cipher(kms, { maxAge: 60_000, maxValues: 100, maxKeys })
  ciphers.push(cipher)
  return cipher
}

export function closeCiphers(): void {
  for (const cipher of ciphers.splice(0)) cipher.close()
}

/** The encrypted column `User.NAME` over the table `user`, whose primary key is `id`. */
export function columnOf({
  options = { type: 'string' },
  name = 'secret',
  kms = new MemoryKms(),
  cipher = freshCipher(kms),
  mode = 'envelope',
  isBound = false,
  previous = [],
  onUndecryptable = 'throw',
  delivery = 'text',
  results = new OpenedResults(),
}: ColumnOptions = {}): BoundColumn {
  const recipe = { mode, keyId: 'alias/one', scope: scopeOf('now', name), usesStoredKey: false }
  const entityMetadata = {
    name: 'User',
    tablePath: 'user',
    tableType: 'regular',
    primaryColumns: [{ propertyPath: 'id', databaseName: 'id' }],
    listeners: [],
    columns: [] as object[],
    getEntityIdMap: ({ id }: ObjectLiteral) => (id === undefined ? undefined : { id: id as unknown }),
    findInheritanceMetadata: () => entityMetadata,
    findColumnWithDatabaseName: (wanted: string) => ({
      getEntityValue: (entity: ObjectLiteral) => entity[wanted] as unknown,
    }),
  }
  const metadata = {
    entityMetadata,
    propertyPath: name,
    propertyName: name,
    databaseName: name,
    getEntityValue: (entity: ObjectLiteral) => entity[name] as unknown,
    setEntityValue: (entity: ObjectLiteral, value: unknown) => {
      entity[name] = value
    },
  }
  const column = new BoundColumn(
    metadata as unknown as ColumnMetadata,
    new Scheme(options, {}),
    isBound
      ? boundRecipes(name)
      : constantRecipes(
          recipe,
          previous.map((of) => scopeOf(of, name)),
        ),
    cipher,
    results,
    onUndecryptable,
    delivery,
  )
  entityMetadata.columns.push({ ...metadata, transformer: column })
  return column
}

/** The recipes of values that are bound to the `id` of their row. */
function boundRecipes(name: string): Recipes {
  const scope = (id: string): Scope => new Scope({ table: 'user' }, { column: name, 'row.id': id })
  const recipe = (id: string): RowRecipe => ({
    mode: 'envelope',
    keyId: 'alias/one',
    scope: scope(id),
    scopes: [scope(id)],
  })
  const columns = [{ name: 'id', property: 'id', metadata: { isGenerated: false } }]
  return {
    ...constantRecipes(recipe('')),
    constant: undefined,
    keyed: recipe(''),
    dependsOn: columns,
    opensBy: columns,
    of: (row: RowValues) => {
      const id = row('id') as number | undefined
      if (id === undefined)
        throw new RowUnknownError('the value is bound to User.id, which is not known here')
      return recipe(String(id))
    },
  } as unknown as Recipes
}

/** What the column stores for a text, in the row with this `id`, or under an earlier context. */
export function stored(column: BoundColumn, text: string, { id = 1, of = '' } = {}): Promise<Buffer> {
  const recipe = column.recipeOfStored(() => id)
  const scope = of === '' ? recipe.scope : scopeOf(of, column.metadata.databaseName)
  return column.cipher.encrypt(asPlaintext(Buffer.from(text)), { ...recipe, scope })
}

/** A column of a result, whose other columns have the names `u_NAME`. */
export function resultOf(column: BoundColumn, names: string[] = ['id']): EncryptedResult {
  return {
    name: `u_${column.metadata.databaseName}`,
    column,
    rowName: (other) => (names.includes(other) ? `u_${other}` : undefined),
  }
}
