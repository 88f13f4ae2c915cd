import { type DataSource, type EntityManager, EntitySchema } from 'typeorm'
import { KmsEncryptionError } from '../../errors'
import { BoundColumn } from '../bound-column'
import { classOf, type ReplacedMethods } from '../replaced-methods'
import { SealedValue } from '../sealed-value'
import { valueFrom } from './hydration'
import { type Opening, openTogether } from './opening'
import { UnreadProperty } from './unread-property'
import { UnreadValue } from './unread-value'

/** Opens the unread values of entities, and of what they are related to as far as it is loaded. May ask KMS. */
export async function openUnread(entities: unknown): Promise<void> {
  await openAll(unreadOf(entities))
}

/** An unread property of an object. */
interface Unread {
  readonly object: object
  readonly property: UnreadProperty
  readonly value: UnreadValue
}

async function openAll(properties: readonly Unread[]): Promise<void> {
  const all = properties.flatMap((unread) => {
    const { value } = unread
    const { column, stored, recipe } = value
    if (!(column instanceof BoundColumn)) return []
    const bytes = column.opener.bytesOf(stored)
    const opening: Opening = { column, recipe, stored, bytes, row: () => value.row(), opened: undefined }
    return [{ unread, opening }]
  })
  await openTogether(all.map(({ opening }) => opening))
  for (const { unread, opening } of all) {
    const { opened } = opening
    const { object, property, value } = unread
    if (opened === undefined || value.kept) continue
    const plain =
      opened instanceof KmsEncryptionError ? value.failed(opened) : valueFrom(opened, opening.column.scheme)
    if (!property.settle(object, plain)) value.kept = { value: plain }
  }
}

/** The unread properties of objects and of all that they lead to. Reads none of them, and no other accessor. */
function unreadOf(value: unknown): readonly Unread[] {
  const found: Unread[] = []
  if (!UnreadValue.exists) return found
  const seen = new Set<unknown>()
  const waiting = [value]
  while (waiting.length > 0) {
    const object = waiting.pop()
    if (typeof object !== 'object' || object === null || seen.has(object) || isLeaf(object)) continue
    seen.add(object)
    if (Array.isArray(object)) {
      for (const each of object as unknown[]) if (typeof each === 'object') waiting.push(each)
      continue
    }
    for (const name of Object.keys(object)) {
      const property = UnreadProperty.of(object, name)
      if (property) {
        const unread = property.valueIn(object)
        if (!unread.kept) found.push({ object, property, value: unread })
      } else waiting.push(Object.getOwnPropertyDescriptor(object, name)?.value as unknown)
    }
  }
  return found
}

/** True for what has no members that are entities; a marker has none that may be asked for. */
function isLeaf(object: object): boolean {
  return ArrayBuffer.isView(object) || SealedValue.of(object) !== undefined
}

type Saving = Pick<EntityManager, 'save' | 'remove' | 'softRemove' | 'recover'>
const SAVING = ['save', 'remove', 'softRemove', 'recover'] as const satisfies readonly (keyof Saving)[]

/**
 * TypeORM reads all properties of the entities that it saves or removes, and does not wait for one: what must ask KMS for
 * its data key is opened before. Only the managers of this one DataSource are changed.
 */
export function openBeforeSaving(dataSource: DataSource, methods: ReplacedMethods): void {
  const opening = Object.fromEntries(SAVING.map((name) => [name, opened(name)])) as Saving
  for (const name of SAVING) methods.replace(dataSource.manager, name, () => opening[name])
  methods.replace(
    dataSource,
    'createEntityManager',
    (create) => (queryRunner) => Object.assign(create(queryRunner), opening),
  )
}

/** What a manager does instead of a method of its class. */
function opened(name: keyof Saving) {
  return function (this: EntityManager, ...args: unknown[]): Promise<unknown> {
    const method = Reflect.get(classOf(this), name) as (...args: unknown[]) => Promise<unknown>
    const proceed = (): Promise<unknown> => method.apply(this, args)
    if (!UnreadValue.exists) return proceed()
    const entities = args.find((each) => typeof each === 'object' && !(each instanceof EntitySchema))
    const waiting = unreadOf(entities).filter(({ value }) => !value.isAtHand)
    return waiting.length > 0 ? openAll(waiting).then(proceed) : proceed()
  }
}
