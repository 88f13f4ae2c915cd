import { INDEX_KEY_CONTEXT } from '../../../../cipher/blind-index/index-root'
import { storedContext } from '../../../../cipher/data-keys/store'
import { usedIndexRoot } from '../../../../migration/indexes/index-root'
import { type BoundColumn } from '../../../../orm/bound-column'
import { type RowContext } from '../../../../orm/recipe'
import { type Use } from './statements'

/** How columns ask KMS, and what a policy cannot say of it. */
export interface Uses {
  uses: readonly Use[]
  /** For people. */
  remarks: readonly string[]
}

/** What is a value of the row stands in no policy: leave for the other pairs is leave for all rows. */
export function usesOf(columns: readonly BoundColumn[]): Uses {
  const index = usedIndexRoot(columns)
  const used = index?.columns[0]
  return {
    uses: [
      ...columns.flatMap((column) => [...ofValues(column), ...ofStoredIndexKeys(column)]),
      ...(used
        ? [
            {
              key: keyOf(used, used.recipes.contexts[0]),
              context: INDEX_KEY_CONTEXT,
              indexKey: 'given' as const,
              ...SEALS,
            },
          ]
        : []),
    ],
    remarks: [
      ...columns.flatMap(remarkOn),
      ...(used
        ? [
            `Only KMS knows which key indexKey is under (typeorm-kms status says it). The statement of data-key = index names the key of ${used.name}.`,
          ]
        : []),
    ],
  }
}

const SEALS = { mode: 'envelope', seals: true } as const

/** Under the settings of now, and to open under those of before. */
function ofValues(column: BoundColumn): Use[] {
  const { recipes, scheme } = column
  const earlier = scheme.options.previous ?? []
  return recipes.contexts.map((context, place) => {
    const before = place === 0 ? undefined : earlier[place - 1]
    const mode = before?.mode ?? recipes.mode
    return {
      key: typeof before?.keyId === 'string' ? before.keyId : keyOf(column, context),
      mode,
      context: mode === 'direct' ? context.direct : context.fixed,
      seals: place === 0,
    }
  })
}

function ofStoredIndexKeys(column: BoundColumn): Use[] {
  const [index] = column.indexes
  const [context] = column.recipes.contexts
  if (!index || index.given || !context) return []
  const key = keyOf(column, context)
  return [{ key, context: storedContext(context.fixed, 'index'), indexKey: 'stored', ...SEALS }]
}

/** A function may name a key for each row: then a name is left to be filled in, which IAM refuses as it is. */
function keyOf({ name, recipes }: BoundColumn, context: RowContext | undefined): string {
  if (recipes.keyId !== undefined) return recipes.keyId
  return context?.perRow.length === 0 ? recipes.keyIdFor(context.fixed) : `KEYS_OF_${name}`
}

function remarkOn({ name, recipes }: BoundColumn): string[] {
  const pairs = recipes.contexts[0]?.perRow.map((pair) => pair.name) ?? []
  if (pairs.length === 0) return []
  const anyOf = `${name} has data keys for each ${pairs.join(', ')}: this allows all of them. For one, add kms:EncryptionContext:${pairs[0] ?? ''} to the condition.`
  const named = `Put the ARNs of the keys that keyId names for ${name} in the place of KEYS_OF_${name}.`
  return recipes.keyId === undefined ? [anyOf, named] : [anyOf]
}
