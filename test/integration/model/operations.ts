import fc from 'fast-check'
import { BaseEntity, type SaveOptions } from 'typeorm'
import { type AccountShape, type NoteShape, type Secrets } from './entities'
import { copy, email, newAccount, newRow, note, patch } from './values'
import { type World } from './world'

type Slot = number
type Reading = 'by id' | 'all with notes' | 'joined' | 'by strategy' | 'some columns' | 'with deleted'

/** One step, as data: which entity (`slot`) or row it concerns is found when it is run. */
export type Operation =
  | { kind: 'create'; values: AccountShape; save: boolean }
  | { kind: 'assign'; slot: Slot; values: AccountShape }
  | { kind: 'save'; slots: Slot[]; options: SaveOptions }
  | { kind: 'save instance'; slot: Slot }
  | { kind: 'save partial'; row: Slot; values: AccountShape }
  | { kind: 'insert'; rows: AccountShape[] }
  | { kind: 'insert builder'; rows: AccountShape[]; conflict: 'ignore' | 'update' | 'none' }
  | { kind: 'update'; by: 'id' | 'email'; row: Slot; email: string; values: AccountShape }
  | { kind: 'update builder'; slot: Slot; values: AccountShape }
  | { kind: 'upsert'; rows: AccountShape[] }
  | { kind: 'remove' | 'softRemove' | 'recover'; slots: Slot[] }
  | { kind: 'delete' | 'softDelete' | 'restore'; row: Slot }
  | { kind: 'load'; row: Slot; reading: Reading }
  | { kind: 'reload'; slot: Slot }
  | { kind: 'merge'; slot: Slot; values: AccountShape }
  | { kind: 'preload'; row: Slot; values: AccountShape }
  | { kind: 'mutate'; slot: Slot; property: 'data' | 'bytes' | 'pin' | 'since'; by: number }
  | { kind: 'share'; from: Slot; to: Slot; property: keyof Secrets }
  | { kind: 'add note'; slot: Slot; values: NoteShape }
  | { kind: 'change note'; slot: Slot; note: Slot; values: NoteShape }
  | { kind: 'drop note'; slot: Slot; note: Slot }
  | { kind: 'transaction'; commit: boolean; steps: Operation[] }

/** Thrown to roll a transaction back on purpose. */
class RollBack extends Error {}

const slot = fc.nat({ max: 40 })
const slots = fc.uniqueArray(slot, { minLength: 1, maxLength: 3 })
const rows = fc.array(newRow, { minLength: 1, maxLength: 3 })
const saveOptions: fc.Arbitrary<SaveOptions> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  fc.constantFrom<SaveOptions>({ listeners: false }, { transaction: false }, { reload: false }, { chunk: 1 }),
)

const kind = <K extends Operation['kind']>(name: K) => fc.constant(name)
const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary })

const step: fc.Arbitrary<Operation> = fc.oneof(
  weighted(6, fc.record({ kind: kind('create'), values: newAccount, save: fc.boolean() })),
  weighted(6, fc.record({ kind: kind('assign'), slot, values: patch })),
  weighted(8, fc.record({ kind: kind('save'), slots, options: saveOptions })),
  weighted(3, fc.record({ kind: kind('save instance'), slot })),
  weighted(3, fc.record({ kind: kind('save partial'), row: slot, values: patch })),
  weighted(2, fc.record({ kind: kind('insert'), rows })),
  weighted(
    2,
    fc.record({
      kind: kind('insert builder'),
      rows,
      conflict: fc.constantFrom('ignore', 'update', 'none'),
    }),
  ),
  weighted(
    3,
    fc.record({
      kind: kind('update'),
      by: fc.constantFrom('id', 'email'),
      row: slot,
      email,
      values: patch,
    }),
  ),
  weighted(2, fc.record({ kind: kind('update builder'), slot, values: patch })),
  weighted(3, fc.record({ kind: kind('upsert'), rows })),
  weighted(3, fc.record({ kind: fc.constantFrom('remove', 'softRemove', 'recover'), slots })),
  weighted(2, fc.record({ kind: fc.constantFrom('delete', 'softDelete', 'restore'), row: slot })),
  weighted(
    6,
    fc.record({
      kind: kind('load'),
      row: slot,
      reading: fc.constantFrom<Reading>(
        'by id',
        'all with notes',
        'joined',
        'by strategy',
        'some columns',
        'with deleted',
      ),
    }),
  ),
  weighted(2, fc.record({ kind: kind('reload'), slot })),
  weighted(2, fc.record({ kind: kind('merge'), slot, values: patch })),
  weighted(2, fc.record({ kind: kind('preload'), row: slot, values: patch })),
  weighted(
    4,
    fc.record({
      kind: kind('mutate'),
      slot,
      property: fc.constantFrom('data', 'bytes', 'pin', 'since'),
      by: fc.nat({ max: 9 }),
    }),
  ),
  weighted(
    1,
    fc.record({
      kind: kind('share'),
      from: slot,
      to: slot,
      property: fc.constantFrom<keyof Secrets>('token', 'phrase', 'bytes', 'data', 'since'),
    }),
  ),
  weighted(3, fc.record({ kind: kind('add note'), slot, values: note })),
  weighted(2, fc.record({ kind: kind('change note'), slot, note: slot, values: note })),
  weighted(1, fc.record({ kind: kind('drop note'), slot, note: slot })),
)

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  weighted(12, step),
  weighted(
    1,
    fc.record({
      kind: kind('transaction'),
      commit: fc.boolean(),
      steps: fc.array(step, { minLength: 1, maxLength: 5 }),
    }),
  ),
)

/** Runs one operation; fails as TypeORM does. */
export async function run(operation: Operation, world: World): Promise<void> {
  const { manager, Account } = world
  switch (operation.kind) {
    case 'create': {
      const account = manager.create(Account, copy(operation.values))
      world.hold(account)
      if (operation.save) await manager.save(Account, account)
      return
    }
    case 'assign':
      assign(held(world, operation.slot), copy(operation.values))
      return
    case 'save': {
      const accounts = heldAll(world, operation.slots)
      await (accounts.length === 1
        ? manager.save(Account, accounts[0]!, operation.options)
        : manager.save(Account, accounts, operation.options))
      return
    }
    case 'save instance': {
      const account = held(world, operation.slot)
      if (account instanceof BaseEntity && !world.inTransaction) await account.save()
      return
    }
    case 'save partial': {
      const partial: AccountShape = { id: rowId(world, operation.row), ...inPlace(operation.values) }
      world.hold(partial)
      await manager.save(Account, partial)
      return
    }
    case 'insert': {
      const inserted = copy(operation.rows)
      world.hold(...inserted)
      await manager.insert(Account, inserted)
      return
    }
    case 'insert builder':
      return insertWithBuilder(world, operation.rows, world.isBound ? 'none' : operation.conflict)
    case 'update': {
      const criteria =
        operation.by === 'id' ? { id: rowId(world, operation.row) } : { email: operation.email }
      await manager.update(Account, criteria, inPlace(operation.values))
      return
    }
    case 'update builder': {
      const account = held(world, operation.slot)
      await manager
        .createQueryBuilder()
        .update(Account)
        .set(inPlace(operation.values))
        .whereEntity(account)
        .execute()
      return
    }
    case 'upsert':
      if (world.isBound) return
      await manager.upsert(Account, copy(operation.rows), ['email'])
      return
    case 'remove':
      await manager.remove(Account, heldAll(world, operation.slots))
      return
    case 'softRemove':
      await manager.softRemove(Account, heldAll(world, operation.slots))
      return
    case 'recover':
      await manager.recover(Account, heldAll(world, operation.slots))
      return
    case 'delete':
    case 'softDelete':
    case 'restore':
      await manager[operation.kind](Account, rowId(world, operation.row))
      return
    case 'load':
      world.hold(...(await load(world, rowId(world, operation.row), operation.reading)))
      return
    case 'reload': {
      const account = held(world, operation.slot)
      if (account instanceof BaseEntity && !world.inTransaction) await account.reload()
      return
    }
    case 'merge':
      manager.merge(Account, held(world, operation.slot), copy(operation.values))
      return
    case 'preload': {
      const account = await manager.preload(Account, {
        id: rowId(world, operation.row),
        ...copy(operation.values),
      })
      if (account) world.hold(account)
      return
    }
    case 'mutate':
      mutate(held(world, operation.slot), operation.property, operation.by)
      return
    case 'share':
      Object.assign(held(world, operation.to), {
        [operation.property]: held(world, operation.from)[operation.property],
      })
      return
    case 'add note': {
      const account = held(world, operation.slot)
      account.notes = [...(account.notes ?? []), manager.create(world.Note, copy(operation.values))]
      return
    }
    case 'change note': {
      const notes = held(world, operation.slot).notes
      if (notes?.length) Object.assign(notes[operation.note % notes.length]!, copy(operation.values))
      return
    }
    case 'drop note': {
      const notes = held(world, operation.slot).notes
      if (notes?.length) notes.splice(operation.note % notes.length, 1)
      return
    }
    case 'transaction':
      return runTransaction(world, operation.steps, operation.commit)
  }
}

/** A change that moves no row: what is bound to the tenant is not at hand. */
function inPlace(values: AccountShape): AccountShape {
  const others = copy(values)
  delete others.tenantId
  return others
}

async function runTransaction(world: World, steps: readonly Operation[], commit: boolean): Promise<void> {
  const { manager } = world
  try {
    await manager.transaction(async (inner) => {
      world.manager = inner
      for (const operation of steps) await run(operation, world)
      if (!commit) throw new RollBack('on purpose')
    })
  } catch (error) {
    if (!(error instanceof RollBack)) throw error
  } finally {
    world.manager = manager
  }
}

async function insertWithBuilder(
  { manager, Account, database }: World,
  rows: AccountShape[],
  conflict: 'ignore' | 'update' | 'none',
): Promise<void> {
  // INSERT IGNORE makes '' of a NULL that the column does not take, and '' is no ciphertext.
  const nullBecomesEmpty = conflict === 'ignore' && database.name === 'mariadb'
  const values = copy(rows).map((row) => (nullBecomesEmpty ? { ...row, token: row.token ?? 'a token' } : row))
  const builder = manager.createQueryBuilder().insert().into(Account).values(values)
  if (conflict === 'ignore') builder.orIgnore()
  if (conflict === 'update') builder.orUpdate(['token', 'bytes', 'data', 'pinCode'], ['email'])
  await builder.execute()
}

function load({ manager, Account }: World, id: number, reading: Reading): Promise<AccountShape[]> {
  const order = { id: 'ASC' } as const
  switch (reading) {
    case 'by id':
      return manager.findBy(Account, { id })
    case 'all with notes':
      return manager.find(Account, { relations: { notes: true }, order: { id: 'ASC', notes: order } })
    case 'joined':
      return manager
        .createQueryBuilder(Account, 'a')
        .leftJoinAndSelect('a.notes', 'n')
        .where('a.id = :id', { id })
        .orderBy('n.id')
        .getMany()
    case 'by strategy':
      return manager.find(Account, {
        where: { id },
        relations: { notes: true },
        relationLoadStrategy: 'query',
        order,
      })
    case 'some columns':
      return manager.find(Account, { select: { id: true, token: true, data: true }, where: { id }, order })
    case 'with deleted':
      return manager.find(Account, { withDeleted: true, order, take: 3 })
  }
}

/** The entity in memory at a slot; a new one where there is none. */
function held(world: World, slot: Slot): AccountShape {
  if (world.held.length === 0)
    world.hold(world.manager.create(world.Account, { email: 'ada', tenantId: 1, token: 'a token' }))
  return world.held[slot % world.held.length]!
}

/**
 * Entities at some slots, no two of one row: TypeORM updates them in parallel, and which version the first of the
 * two ends up with is a matter of microseconds.
 */
function heldAll(world: World, slots: readonly Slot[]): AccountShape[] {
  const accounts = slots.map((slot) => held(world, slot))
  return accounts.filter(
    (account, index) =>
      !accounts
        .slice(0, index)
        .some(({ id }, other) => id === account.id && (id || accounts[other] === account)),
  )
}

/** The id of a row; mostly one that exists. */
function rowId({ ids }: World, row: Slot): number {
  return ids.length === 0 || row === 0 ? 999 : ids[row % ids.length]!
}

function assign(account: AccountShape, { pin, ...values }: AccountShape): void {
  Object.assign(account, values)
  if (pin) account.pin = { ...account.pin, ...pin }
}

/** Changes a value in place. */
function mutate(account: AccountShape, property: 'data' | 'bytes' | 'pin' | 'since', by: number): void {
  const { data, bytes, pin, since } = account
  if (property === 'bytes' && bytes?.length) bytes[by % bytes.length]! ^= by + 1
  if (property === 'since' && since) since.setTime(by * 86_400_000)
  if (property === 'pin' && pin) pin.code = `code ${by}`
  if (property !== 'data' || typeof data !== 'object' || data === null) return
  if (Array.isArray(data)) data.push(by)
  else Object.assign(data, { [`member ${by % 3}`]: by })
}
