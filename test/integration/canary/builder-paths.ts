import { type EntityManager, type InsertQueryBuilder } from 'typeorm'
import { Item, Vault } from './entities'
import { isTypeorm1, returns } from './repository-paths'
import { type Stage } from './stage'
import { type WritePath } from './write-path'

const insert = (stage: Stage): InsertQueryBuilder<Vault> =>
  stage.manager.createQueryBuilder().insert().into(Vault)

const update = (stage: Stage) => stage.manager.createQueryBuilder().update(Vault)

/** Refused before it is asked for its SQL. */
const rawSql = (): { text: () => string } => ({
  text: () => {
    throw new Error('The function was called')
  },
})

export const builderPaths: readonly WritePath[] = [
  {
    name: 'insert builder',
    run: (stage) => insert(stage).values([stage.values(), stage.values()]).execute(),
  },
  {
    name: 'insert builder without listeners',
    run: (stage) => insert(stage).values(stage.values()).callListeners(false).execute(),
  },
  {
    name: 'insert builder that leaves the entity alone',
    run: (stage) => insert(stage).values(stage.values()).updateEntity(false).execute(),
  },
  {
    name: 'insert builder of some columns',
    run: (stage) =>
      stage.manager
        .createQueryBuilder()
        .insert()
        .into(Vault, ['label', 'text', 'version'])
        .values({ label: stage.label(), text: stage.secret() })
        .execute(),
  },
  {
    name: 'insert builder with the name of the table',
    run: (stage) =>
      stage.manager
        .createQueryBuilder()
        .insert()
        .into('vault')
        .values({ label: stage.label(), text: stage.secret() })
        .execute(),
  },
  {
    name: 'insert builder with orIgnore',
    run: async (stage) => {
      const { label } = await stage.existing()
      await insert(stage).values(stage.values()).orIgnore().execute()
      await insert(stage)
        .values({ ...stage.values(), label })
        .orIgnore()
        .updateEntity(false)
        .execute()
    },
    keeps: false,
  },
  {
    name: 'insert builder with orUpdate',
    run: async (stage) => {
      const { label } = await stage.existing()
      await insert(stage)
        .values({ ...stage.values(), label })
        .orUpdate(['text', 'raw_bytes', 'json', 'base64', 'direct', 'profileToken'], ['label'])
        .execute()
    },
  },
  {
    name: 'insert builder with returning',
    available: (stage) => returns(stage, 'insert'),
    run: (stage) => insert(stage).values(stage.values()).returning(['id', 'text', 'direct']).execute(),
  },
  {
    name: 'insert builder with returning all',
    available: (stage) => returns(stage, 'insert'),
    run: (stage) => insert(stage).values(stage.values()).returning('*').execute(),
  },
  {
    name: 'insert builder in a transaction of its own',
    run: (stage) => insert(stage).values(stage.values()).useTransaction(true).execute(),
  },
  {
    name: 'insert builder with raw SQL as the value',
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) =>
      insert(stage)
        .values({ ...stage.values(), ...rawSql() })
        .execute(),
  },
  {
    name: 'insert builder with raw SQL as the value, without listeners',
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) =>
      insert(stage)
        .values({ ...stage.values(), ...rawSql() })
        .callListeners(false)
        .execute(),
  },
  {
    name: 'insert builder from a select',
    available: isTypeorm1,
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) =>
      stage.manager
        .createQueryBuilder()
        .insert()
        .into(Item, ['note'])
        .valuesFromSelect((query) =>
          query.select(':secret').from(Vault, 'vault').setParameter('secret', stage.secret()),
        )
        .execute(),
  },
  {
    name: 'update builder',
    run: async (stage) => {
      const { id } = await stage.existing()
      await update(stage).set(stage.values()).where({ id }).execute()
    },
  },
  {
    name: 'update builder without listeners',
    run: async (stage) => {
      const { id } = await stage.existing()
      await update(stage).set(stage.values()).where('id = :id', { id }).callListeners(false).execute()
    },
  },
  {
    name: 'update builder with whereEntity',
    run: async (stage) => {
      const vault = await stage.existing()
      await update(stage).set({ text: stage.secret() }).whereEntity(vault).execute()
      await update(stage).set({ base64: stage.secret() }).whereEntity(vault).updateEntity(false).execute()
    },
  },
  {
    name: 'update builder with returning',
    available: (stage) => returns(stage, 'update'),
    run: async (stage) => {
      const { id } = await stage.existing()
      await update(stage).set({ text: stage.secret() }).where({ id }).returning('*').execute()
    },
  },
  {
    name: 'update builder with raw SQL as the value',
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) => update(stage).set(rawSql()).where('1 = 1').execute(),
  },
  {
    name: 'update with raw SQL as the value, in an embedded entity',
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) =>
      update(stage)
        .set({ profile: { token: rawSql().text } })
        .where('1 = 1')
        .callListeners(false)
        .execute(),
  },
  {
    name: 'save with raw SQL as the value',
    refused: 'RAW_SQL_REFUSED',
    keeps: false,
    run: (stage) => stage.vaults.save({ ...stage.values(), ...(rawSql() as unknown as { text: string }) }),
  },
  {
    name: 'soft delete, restore and delete builders',
    run: async (stage) => {
      const { id } = await stage.existing()
      await stage.vaults.createQueryBuilder().softDelete().where({ id }).execute()
      await stage.vaults.createQueryBuilder().restore().where({ id }).execute()
      await stage.vaults.createQueryBuilder().delete().where({ id }).execute()
    },
    keeps: false,
  },
  {
    name: 'relation query builder',
    run: async (stage) => {
      const vault = await stage.existing()
      const item = await stage.items.save({ note: stage.secret() })
      await stage.vaults.createQueryBuilder().relation('items').of(vault).add(item)
    },
  },
]

async function writes(manager: EntityManager, stage: Stage): Promise<void> {
  const vault = await manager.save(stage.vault())
  await manager.insert(Vault, stage.values())
  await manager.update(Vault, { id: vault.id }, { text: stage.secret() })
  await manager.upsert(Vault, stage.values(), ['label'])
  await manager.save(Object.assign(vault, { direct: stage.secret() }))
}

/** The same writes inside of transactions, by all ways to have one. */
export const transactionPaths: readonly WritePath[] = [
  {
    name: 'a transaction that commits',
    keeps: false,
    run: (stage) => stage.manager.transaction((manager) => writes(manager, stage)),
  },
  {
    name: 'a transaction that is rolled back',
    keeps: false,
    fails: true,
    run: (stage) =>
      stage.manager.transaction(async (manager) => {
        await writes(manager, stage)
        throw new Error('The application changed its mind')
      }),
  },
  {
    name: 'a nested transaction that is rolled back',
    keeps: false,
    run: (stage) =>
      stage.manager.transaction(async (manager) => {
        await writes(manager, stage)
        const nested = manager.transaction(async (inner) => {
          await writes(inner, stage)
          throw new Error('The application changed its mind')
        })
        await nested.catch(() => undefined)
      }),
  },
  {
    name: 'queryRunner.manager, committed',
    keeps: false,
    run: (stage) => withQueryRunner(stage, 'commitTransaction'),
  },
  {
    name: 'queryRunner.manager, rolled back',
    keeps: false,
    run: (stage) => withQueryRunner(stage, 'rollbackTransaction'),
  },
]

async function withQueryRunner(
  stage: Stage,
  end: 'commitTransaction' | 'rollbackTransaction',
): Promise<void> {
  const queryRunner = stage.dataSource.createQueryRunner()
  try {
    await queryRunner.startTransaction()
    await writes(queryRunner.manager, stage)
    await queryRunner[end]()
  } finally {
    await queryRunner.release()
  }
}
