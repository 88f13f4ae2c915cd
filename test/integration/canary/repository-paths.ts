import { type DataSource, Not, IsNull, type SaveOptions } from 'typeorm'
import { typeormVersion } from '../../support/databases'
import { Vault } from './entities'
import { type Stage } from './stage'
import { type WritePath } from './write-path'

const saveOptions: SaveOptions[] = [
  { listeners: false },
  { transaction: false },
  { reload: false },
  { chunk: 2 },
  { listeners: false, transaction: false, reload: false },
]

/** Everything that a new and a changed entity goes through, with each option of `save`. */
const saves = saveOptions.flatMap((options): WritePath[] => [
  {
    name: `save new entities with ${JSON.stringify(options)}`,
    run: (stage) => stage.vaults.save([stage.vault(), stage.vault(), stage.vault()], options),
  },
  {
    name: `save changed entities with ${JSON.stringify(options)}`,
    run: async (stage) => {
      const vaults = [await stage.existing(), await stage.existing(), await stage.existing()]
      for (const vault of vaults) Object.assign(vault, stage.values())
      await stage.vaults.save(vaults, options)
    },
  },
])

export const repositoryPaths: readonly WritePath[] = [
  { name: 'save a new entity', run: (stage) => stage.vaults.save(stage.vault()) },
  { name: 'save a new plain object', run: (stage) => stage.vaults.save(stage.values()) },
  { name: 'save an array', run: (stage) => stage.vaults.save([stage.vault(), stage.vault()]) },
  {
    name: 'save a changed entity',
    run: async (stage) => stage.vaults.save(Object.assign(await stage.existing(), stage.values())),
  },
  {
    name: 'save an unchanged entity',
    run: async (stage) => {
      const vault = await stage.vaults.save(stage.vault())
      await stage.vaults.save(vault)
      await stage.vaults.save(await stage.vaults.findOneByOrFail({ id: vault.id }))
    },
  },
  {
    name: 'save an array of new, changed and unchanged entities',
    run: async (stage) => {
      const changed = Object.assign(await stage.existing(), { text: stage.secret() })
      const unchanged = await stage.vaults.save(stage.vault())
      await stage.vaults.save([stage.vault(), changed, unchanged])
    },
  },
  {
    name: 'save a partial entity with only some columns',
    run: async (stage) => {
      const { id } = await stage.existing()
      await stage.vaults.save({ id, base64: stage.secret() })
      await stage.vaults.save({ id, profile: { token: stage.secret() } })
    },
  },
  {
    name: 'save a column that is not selected by default',
    run: async (stage) => {
      const { id } = await stage.existing()
      await stage.vaults.save({ id, hidden: stage.secret() })
    },
  },
  {
    name: 'save with a cascade',
    run: async (stage) => {
      const vault = stage.vaults.create({ ...stage.values(), items: [{ note: stage.secret() }] })
      await stage.vaults.save(vault)
      vault.items.push(stage.items.create({ note: stage.secret() }))
      await stage.vaults.save(vault)
    },
  },
  {
    name: 'save what preload, merge and create made',
    run: async (stage) => {
      const { id } = await stage.existing()
      const preloaded = await stage.vaults.preload({ id, text: stage.secret() })
      await stage.vaults.save(stage.vaults.merge(preloaded!, { direct: stage.secret() }))
    },
  },
  ...saves,

  { name: 'insert one', run: (stage) => stage.vaults.insert(stage.values()) },
  { name: 'insert many', run: (stage) => stage.vaults.insert([stage.values(), stage.values()]) },
  {
    name: 'update by id',
    run: async (stage) => stage.vaults.update((await stage.existing()).id, { text: stage.secret() }),
  },
  {
    name: 'update by criteria',
    run: async (stage) => {
      const { label } = await stage.existing()
      const { bytes, json, profile } = stage.values()
      await stage.vaults.update({ label, text: Not(IsNull()) }, { bytes, json, profile })
      await stage.vaults.update(
        { label },
        { base64: stage.secret(), direct: stage.secret(), text: stage.secret() },
      )
    },
    keeps: false, // the unused values of `values()`
  },
  {
    name: 'update with returning',
    available: (stage) => isTypeorm1() && returns(stage, 'update'),
    run: async (stage) => {
      const options = { returning: ['text'] }
      await stage.vaults.update({ id: (await stage.existing()).id }, { text: stage.secret() }, options)
    },
  },
  {
    name: 'updateAll',
    available: (stage) => 'updateAll' in stage.vaults,
    run: async (stage) => {
      await stage.existing()
      await stage.vaults.updateAll({ base64: stage.secret(), direct: stage.secret() })
    },
  },
  { name: 'upsert of a new row', run: (stage) => stage.vaults.upsert(stage.values(), ['label']) },
  {
    name: 'upsert over a row',
    run: async (stage) => {
      const { label } = await stage.existing()
      await stage.vaults.upsert([{ ...stage.values(), label }, stage.values()], {
        conflictPaths: { label: true },
      })
    },
  },
  {
    name: 'upsert that skips unchanged rows',
    available: (stage) => stage.dataSource.options.type === 'postgres',
    run: async (stage) => {
      const { label } = await stage.existing()
      const options = { conflictPaths: ['label'], skipUpdateIfNoValuesChanged: true }
      await stage.vaults.upsert({ ...stage.values(), label }, options)
    },
  },
  ...(['increment', 'decrement'] as const).map((operation): WritePath => ({
    name: `${operation} an encrypted column`,
    refused: 'RAW_SQL_REFUSED',
    run: async (stage) => stage.vaults[operation]({ id: (await stage.existing()).id }, 'amount', 1),
  })),
  {
    name: 'softRemove and recover',
    run: async (stage) => {
      const vault = await stage.vaults.save(stage.vault())
      await stage.vaults.softRemove(vault)
      await stage.vaults.recover(vault)
      await stage.vaults.softRemove(Object.assign(vault, { text: stage.secret() }), { listeners: false })
      await stage.vaults.recover(vault, { listeners: false })
    },
    keeps: false,
  },
  {
    name: 'softDelete and restore',
    run: async (stage) => {
      const { id } = await stage.vaults.save(stage.vault())
      await stage.vaults.softDelete({ id })
      await stage.vaults.restore({ id })
    },
  },
  {
    name: 'remove',
    run: async (stage) => stage.vaults.remove([await stage.existing(), await stage.existing()]),
    keeps: false,
  },
  {
    name: 'remove without listeners',
    run: async (stage) => stage.vaults.remove(await stage.existing(), { listeners: false }),
    keeps: false,
  },
  {
    name: 'delete',
    run: async (stage) => stage.vaults.delete({ id: (await stage.existing()).id }),
    keeps: false,
  },
  {
    name: 'clear',
    run: async (stage) => {
      await stage.items.save({ note: stage.secret() })
      await stage.items.clear()
    },
    keeps: false,
  },
  {
    name: 'save that violates a unique constraint',
    fails: true,
    keeps: false,
    run: async (stage) => {
      const { label } = await stage.existing()
      await stage.vaults.save({ ...stage.values(), label })
    },
  },
  {
    name: 'insert that violates a unique constraint',
    fails: true,
    keeps: false,
    run: async (stage) => {
      const { label } = await stage.existing()
      await stage.vaults.insert([stage.values(), { ...stage.values(), label }])
    },
  },
  {
    name: 'update that violates a unique constraint',
    fails: true,
    keeps: false,
    run: async (stage) => {
      const { label } = await stage.existing()
      await stage.vaults.update((await stage.existing()).id, { text: stage.secret(), label })
    },
  },
  {
    name: 'save of a value of the wrong type',
    refused: 'INVALID_VALUE',
    keeps: false,
    run: (stage) => stage.vaults.save({ ...stage.values(), text: [stage.secret()] as unknown as string }),
  },

  {
    name: 'the instance methods of BaseEntity',
    run: async (stage) => {
      const vault = stage.vault()
      await vault.save()
      await vault.softRemove()
      await vault.recover()
      await vault.reload()
    },
  },
  {
    name: 'BaseEntity#remove',
    run: async (stage) => (await stage.existing()).remove(),
    keeps: false,
  },
  {
    name: 'the static methods of BaseEntity',
    run: async (stage) => {
      useDataSource(stage.dataSource)
      await Vault.save(stage.vault())
      await Vault.insert(stage.values())
      await Vault.update((await stage.existing()).id, { text: stage.secret() })
      await Vault.upsert(stage.values(), ['label'])
      await Vault.create<Vault>(stage.values()).save()
      await Vault.createQueryBuilder().insert().values(stage.values()).execute()
      await Vault.delete((await Vault.findOneByOrFail({ text: Not(IsNull()) })).id)
    },
    keeps: false,
  },
]

function useDataSource(dataSource: DataSource): void {
  Vault.useDataSource(dataSource)
}

export const isTypeorm1 = (): boolean => typeormVersion.startsWith('1.')

export function returns({ dataSource }: Stage, statement: 'insert' | 'update'): boolean {
  return dataSource.driver.isReturningSqlSupported(statement)
}
