import { type EntityManager } from 'typeorm'
import { Item, Vault } from '../canary/entities'

let labels = 0

export const label = (): string => `label ${++labels}`

export function newVault(manager: EntityManager): Vault {
  const text = `text ${++labels}`
  return manager.create(Vault, {
    label: label(),
    text,
    bytes: Buffer.from(text),
    json: { codes: [text] },
    direct: text,
    profile: { token: text },
  })
}

/** Changes that touch every kind of encrypted column. */
export function change(vault: Vault): Vault {
  const text = `changed ${++labels}`
  Object.assign(vault, { bytes: Buffer.from(text), direct: text, profile: { token: text } })
  vault.json?.codes.push(text)
  return vault
}

/** Something that writes, with the objects that the application holds while it does. */
export interface Action {
  objects: object[]
  act: (manager: EntityManager) => Promise<unknown>
  /** Not in a transaction: TypeORM reads what the database generated afterwards, when the row is already written. */
  autocommit?: true
  /** Vaults that have to be readable as they are in memory when it has succeeded. */
  vaults?: Vault[]
}

/** Prepares a write; what it needs in the database is there before faults begin. */
export type Scenario = (manager: EntityManager) => Action | Promise<Action>

const saved = async (manager: EntityManager): Promise<Vault> => {
  const { id } = await manager.save(newVault(manager))
  return manager.findOneByOrFail(Vault, { id })
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  'save of a new entity': (manager) => saving(newVault(manager)),
  'save of new entities': (manager) => saving(newVault(manager), newVault(manager)),
  'save of a changed entity': async (manager) => saving(change(await saved(manager))),
  'save of a new, a changed and an unchanged entity': async (manager) =>
    saving(newVault(manager), change(await saved(manager)), await saved(manager)),
  'save without listeners': async (manager) => {
    const vaults = [newVault(manager), change(await saved(manager))]
    return { objects: vaults, vaults, act: (each) => each.save(vaults, { listeners: false }) }
  },
  'save with a cascade': (manager) => {
    const vault = newVault(manager)
    vault.items = [manager.create(Item, { note: label() }), manager.create(Item, { note: label() })]
    return saving(vault)
  },
  insert: (manager) => {
    const values = [newVault(manager), newVault(manager)]
    return { objects: values, vaults: values, autocommit: true, act: (each) => each.insert(Vault, values) }
  },
  update: async (manager) => {
    const { id } = await saved(manager)
    const changes = { text: label(), direct: label(), profile: { token: label() } }
    return { objects: [changes], autocommit: true, act: (each) => each.update(Vault, { id }, changes) }
  },
  upsert: async (manager) => {
    const existing = await saved(manager)
    const values = { label: existing.label, text: label(), json: { codes: [label()] } }
    const fresh = { label: label(), text: label(), json: { codes: [label()] } }
    return {
      objects: [values, fresh],
      autocommit: true,
      act: (each) => each.upsert(Vault, [values, fresh], ['label']),
    }
  },
  'softRemove of a changed entity': async (manager) => {
    const vault = change(await saved(manager))
    return { objects: [vault], act: (each) => each.softRemove(vault) }
  },
  remove: async (manager) => {
    const vault = await saved(manager)
    return { objects: [vault], act: (each) => each.remove(vault) }
  },
  'insert builder': (manager) => {
    const values = newVault(manager)
    return {
      objects: [values],
      vaults: [values],
      autocommit: true,
      act: (each) => each.createQueryBuilder().insert().into(Vault).values(values).execute(),
    }
  },
  'update builder': async (manager) => {
    const vault = await saved(manager)
    const changes = { bytes: Buffer.from(label()), direct: label() }
    const builder = (each: EntityManager) => each.createQueryBuilder().update(Vault).set(changes)
    return {
      objects: [vault, changes],
      autocommit: true,
      act: (each) => builder(each).whereEntity(vault).execute(),
    }
  },
  'a transaction of several writes': async (manager) => {
    const vaults = [newVault(manager), change(await saved(manager))] as const
    const changes = { text: label() }
    return {
      objects: [...vaults, changes],
      act: (each) =>
        each.transaction(async (inside) => {
          await inside.update(Vault, { label: vaults[1].label }, changes)
          await inside.save([...vaults])
        }),
    }
  },
}

function saving(...vaults: Vault[]): Action {
  return { objects: vaults, vaults, act: (manager) => manager.save(vaults) }
}

/** A deep copy that keeps classes, so that `toEqual` compares what an application would see. */
export function structuredCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Buffer.isBuffer(value)) return Buffer.from(value) as T
  if (Array.isArray(value)) return value.map(structuredCopy) as T
  const copy = Object.create(Object.getPrototypeOf(value) as object) as Record<string, unknown>
  for (const [name, property] of Object.entries(value)) copy[name] = structuredCopy(property as unknown)
  return copy as T
}
