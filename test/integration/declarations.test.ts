import 'reflect-metadata'
import {
  ChildEntity,
  Column,
  CreateDateColumn,
  DataSource,
  type DataSourceOptions,
  DeleteDateColumn,
  Entity,
  EntitySchema,
  ForeignKey,
  Generated,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  RelationId,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeLevelColumn,
  TreeParent,
  UpdateDateColumn,
  VersionColumn,
  VirtualColumn,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { declaredColumns } from '../../src/orm/declarations'
import { describeDatabases } from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'
import { storedValues } from './scenarios/support'

type Entities = NonNullable<DataSourceOptions['entities']>

abstract class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', nullable: true }) secret!: string
}

/** Declarations that are bound: of each, an entity whose `secret` is encrypted. */
const BOUND: [string, () => Entities][] = [
  [
    'above @Column() of a base class',
    () => {
      @Entity('bound')
      class Bound extends Plain {
        @KmsEncrypted() declare secret: string
      }
      return [Bound]
    },
  ],
  [
    'in a base class, below @Column() of its subclass',
    () => {
      abstract class Base {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() secret!: string
      }
      @Entity('bound')
      class Bound extends Base {
        @Column({ type: 'varchar' }) declare secret: string
      }
      return [Bound]
    },
  ],
  [
    'in a mixin over a class with @Column()',
    () => {
      const mixin = (Base: typeof Plain) => {
        abstract class Mixin extends Base {
          @KmsEncrypted({ type: 'string' }) declare secret: string
        }
        return Mixin
      }
      @Entity('bound')
      class Bound extends mixin(Plain) {}
      return [Bound]
    },
  ],
  [
    'in both, the nearest for its own entity',
    () => {
      abstract class Base {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted({ storage: 'text' }) secret!: string
      }
      @Entity('bound')
      class Bound extends Base {
        @KmsEncrypted() declare secret: string
      }
      return [Bound]
    },
  ],
]

class Profile {
  @KmsEncrypted() @Column({ type: 'varchar' }) secret!: string
}

/** Declarations that are refused, with what the error names. */
const REFUSED: [string, () => Entities, RegExp][] = [
  [
    'above @Column()',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() @Column({ type: 'varchar' }) secret!: string
      }
      return [Refused]
    },
    /^Refused\.secret: .*@Column\(\) in Refused.*with @KmsEncrypted\(\) alone/,
  ],
  [
    'below @Column()',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @Column({ type: 'varchar' }) @KmsEncrypted() secret!: string
      }
      return [Refused]
    },
    /^Refused\.secret: .*@Column\(\) in Refused/,
  ],
  [
    'in an embedded class, above @Column()',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @Column(() => Profile) profile!: Profile
      }
      return [Refused]
    },
    /^Profile\.secret: .*@Column\(\) in Profile/,
  ],
  [
    'for a whole embedded class',
    () => {
      class Inner {
        @Column({ type: 'varchar' }) secret!: string
      }
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted({ type: 'json' }) @Column(() => Inner) secret!: Inner
      }
      return [Refused]
    },
    /^Refused\.secret: .*embedded/,
  ],
  [
    'in a child of a single table whose parent has @Column()',
    () => {
      @Entity()
      @TableInheritance({ column: { type: 'varchar', name: 'kind' } })
      class Parent {
        @PrimaryGeneratedColumn() id!: number
        @Column({ type: 'varchar' }) secret!: string
      }
      @ChildEntity()
      class Child extends Parent {
        @KmsEncrypted() declare secret: string
      }
      return [Parent, Child]
    },
    /^Child\.secret: .*@Column\(\) in Parent/,
  ],
  [
    'in one of two siblings of a single table',
    () => {
      @Entity()
      @TableInheritance({ column: { type: 'varchar', name: 'kind' } })
      class Parent {
        @PrimaryGeneratedColumn() id!: number
      }
      @ChildEntity()
      class First extends Parent {
        @Column({ type: 'varchar' }) secret!: string
      }
      @ChildEntity()
      class Second extends Parent {
        @KmsEncrypted() secret!: string
      }
      return [Parent, First, Second]
    },
    /^Second\.secret: .*@Column\(\) in First/,
  ],
  [
    'in two siblings of a single table that choose their KMS keys by functions of their own',
    () => {
      @Entity()
      @TableInheritance({ column: { type: 'varchar', name: 'kind' } })
      class Parent {
        @PrimaryGeneratedColumn() id!: number
      }
      @ChildEntity()
      class First extends Parent {
        @KmsEncrypted({ keyId: () => 'alias/first' }) secret!: string
      }
      @ChildEntity()
      class Second extends Parent {
        @KmsEncrypted({ keyId: () => 'alias/second' }) secret!: string
      }
      return [Parent, First, Second]
    },
    /^First\.secret: .*Second declares the same column of the table otherwise/,
  ],
  [
    'as the discriminator',
    () => {
      @Entity()
      @TableInheritance({ column: { type: 'varchar', name: 'secret' } })
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() secret!: string
      }
      return [Refused]
    },
    /^Refused\.secret: .*discriminator/,
  ],
  [
    'as a join column',
    () => {
      @Entity()
      class Other {
        @PrimaryGeneratedColumn() id!: number
      }
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted({ type: 'number' }) otherId!: number
        @ManyToOne(() => Other) @JoinColumn({ name: 'otherId' }) other!: Other
      }
      return [Other, Refused]
    },
    /^Refused\.otherId: .*join column/,
  ],
  [
    'for a relation',
    () => {
      @Entity()
      class Other {
        @PrimaryGeneratedColumn() id!: number
      }
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted({ type: 'json' }) @ManyToOne(() => Other) secret!: Other
      }
      return [Other, Refused]
    },
    /^Refused\.secret: .*relation/,
  ],
  [
    'with @Generated() above it',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @Generated('uuid') @KmsEncrypted() secret!: string
      }
      return [Refused]
    },
    /^Refused\.secret: .*generated/,
  ],
  [
    'with @Generated() below it',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() @Generated('uuid') secret!: string
      }
      return [Refused]
    },
    /^Refused\.secret: .*generated/,
  ],
  [
    'in a second entity over the same table, which has @Column()',
    () => {
      @Entity('shared')
      class One {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() secret!: string
      }
      @Entity({ name: 'shared', synchronize: false })
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @Column({ type: 'varchar' }) secret!: string
      }
      return [One, Refused]
    },
    /^Refused\.secret: .*One\.secret/,
  ],
  ...(
    [
      { primary: true },
      { version: true },
      { createDate: true },
      { updateDate: true },
      { deleteDate: true },
      { generated: 'uuid' },
      { treeLevel: true },
      { default: 'x' },
      { virtualProperty: true, query: () => "SELECT 'x'" },
    ] as const
  ).map((more): [string, () => Entities, RegExp] => [
    `in a schema, with ${Object.keys(more).join()}`,
    () => [
      new EntitySchema({
        name: 'Refused',
        columns: {
          id: { type: Number, primary: true },
          secret: { ...kmsEncryptedColumn({ type: 'string' }), ...more },
        },
      }),
    ],
    /^Refused\.secret: /,
  ]),
  ...Object.entries({
    PrimaryColumn: () => PrimaryColumn({ type: 'varchar' }),
    VersionColumn: () => VersionColumn(),
    CreateDateColumn: () => CreateDateColumn(),
    UpdateDateColumn: () => UpdateDateColumn(),
    DeleteDateColumn: () => DeleteDateColumn(),
    VirtualColumn: () => VirtualColumn({ type: 'varchar', query: () => "SELECT 'x'" }),
  }).flatMap(([name, special]): [string, () => Entities, RegExp][] =>
    [true, false].map((isAbove) => [
      `${isAbove ? 'above' : 'below'} @${name}()`,
      () => {
        class Refused {}
        PrimaryGeneratedColumn()(Refused.prototype, 'id')
        const decorators = [special(), KmsEncrypted({ type: 'string' })]
        for (const decorate of isAbove ? decorators : decorators.reverse())
          decorate(Refused.prototype, 'secret')
        Entity()(Refused)
        return [Refused]
      },
      new RegExp(`^Refused\\.secret: .*@${name}\\(\\) in Refused`),
    ]),
  ),
  [
    'that a foreign key is declared on',
    () => {
      @Entity()
      class Other {
        @PrimaryColumn({ type: 'varchar', length: 60 }) id!: string
      }
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @ForeignKey(() => Other) @KmsEncrypted() secret!: string
      }
      return [Other, Refused]
    },
    /^Refused\.secret: .*foreign key/,
  ],
  [
    'that a foreign key of two columns has',
    () => {
      @Entity()
      class Other {
        @PrimaryColumn({ type: 'int' }) id!: number
        @PrimaryColumn({ type: 'varchar', length: 60 }) name!: string
      }
      @Entity()
      @ForeignKey(() => Other, ['otherId', 'secret'], ['id', 'name'])
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @Column({ type: 'int' }) otherId!: number
        @KmsEncrypted() secret!: string
      }
      return [Other, Refused]
    },
    /^Refused\.secret: .*foreign key/,
  ],
  [
    'that a relation refers to',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() secret!: string
      }
      @Entity()
      class Other {
        @PrimaryGeneratedColumn() id!: number
        @ManyToOne(() => Refused) @JoinColumn({ name: 'r', referencedColumnName: 'secret' }) refused!: Refused
      }
      return [Refused, Other]
    },
    /^Refused\.secret: /,
  ],
  [
    'that a join table refers to',
    () => {
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted() secret!: string
      }
      @Entity()
      class Other {
        @PrimaryGeneratedColumn() id!: number
        @ManyToMany(() => Refused)
        @JoinTable({ inverseJoinColumn: { name: 'r', referencedColumnName: 'secret' } })
        refused!: Refused[]
      }
      return [Refused, Other]
    },
    /^Refused\.secret: /,
  ],
  [
    'beside @RelationId()',
    () => {
      @Entity()
      class Other {
        @PrimaryGeneratedColumn() id!: number
      }
      @Entity()
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @ManyToOne(() => Other) other!: Other
        @RelationId(({ other }: Refused) => other) @KmsEncrypted({ type: 'number' }) secret!: number
      }
      return [Other, Refused]
    },
    /^Refused\.secret: .*@RelationId\(\)/,
  ],
  [
    'in a class without a name, which TypeORM ends at',
    () => {
      const Nameless = (() => class extends Plain {})()
      KmsEncrypted({ type: 'string' })(Nameless.prototype, 'token' as never)
      @Entity()
      class Refused extends Nameless {
        @PrimaryGeneratedColumn() declare id: number
      }
      return [Refused]
    },
    /^a class without a name\.token: .*TypeORM made no encrypted column of it in Refused/,
  ],
  [
    'in a schema, with another transformer',
    () => [
      new EntitySchema({
        name: 'Refused',
        columns: {
          id: { type: Number, primary: true },
          secret: {
            ...kmsEncryptedColumn({ type: 'string' }),
            transformer: { to: (value: unknown) => value, from: (value: unknown) => value },
          },
        },
      }),
    ],
    /^Refused\.secret: .*its transformer was replaced/,
  ],
  [
    'of the level of a tree',
    () => {
      @Entity()
      @Tree('materialized-path')
      class Refused {
        @PrimaryGeneratedColumn() id!: number
        @KmsEncrypted({ type: 'number' }) @TreeLevelColumn() secret!: number
        @TreeParent() parent!: Refused
        @TreeChildren() children!: Refused[]
      }
      return [Refused]
    },
    /^Refused\.secret: .*@TreeLevelColumn\(\)/,
  ],
]

describeDatabases('a declaration', (db) => {
  let client: Awaited<ReturnType<typeof testKms>>['client']

  beforeAll(async () => {
    ;({ client } = await testKms())
  })

  async function initialised(entities: Entities): Promise<DataSource> {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const options = { ...db().options, entities, synchronize: true, dropSchema: true } as DataSourceOptions
    return new DataSource(encryption.configure(options)).initialize()
  }

  it.each(BOUND)('%s is bound', async (_, define) => {
    const dataSource = await initialised(define())
    try {
      const repository = dataSource.getRepository('Bound')
      await repository.save({ secret: 'of Ada' })
      expect((await storedValues(db(), 'bound', 'secret'))[0]).toMatchObject({ 0: 0xc1, 1: 1 })
      await expect(repository.find()).resolves.toEqual([expect.objectContaining({ secret: 'of Ada' })])
      const report = declaredColumns(dataSource).filter(({ columns }) => columns.length > 0)
      expect(report).toEqual([expect.objectContaining({ property: 'secret', outcome: 'encrypted' })])
    } finally {
      await dataSource.destroy()
    }
  })

  it.each(REFUSED)('%s is refused, naming the other declaration', async (_, define, message) => {
    const error = await failure(initialised(define()))
    expect(error).toMatchObject({ code: 'INVALID_OPTION' })
    expect(error.message).toMatch(message)
  })

  it('is refused without configure(), too, whatever stands beside it', async () => {
    for (const [, define] of BOUND) {
      const options = { ...db().options, entities: define() } as DataSourceOptions
      expect(await failure(new DataSource(options).initialize())).toMatchObject({ code: 'NOT_CONFIGURED' })
    }
  })
})
