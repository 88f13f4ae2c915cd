import { type DataSource, type EntityManager, IsNull, Not, type Repository } from 'typeorm'
import { Item, Vault } from './entities'

/** The plain values of a vault. */
export type Values = Pick<Vault, 'label' | 'text' | 'bytes' | 'json' | 'base64' | 'direct' | 'profile'>

let labels = 0

/** What a write path acts with: it hands out plaintexts that contain the marker, and finds them again. */
export class Stage {
  readonly #handedOut: string[] = []

  /** `since`: id of the last vault before. */
  private constructor(
    readonly dataSource: DataSource,
    readonly marker: string,
    readonly since: number,
  ) {}

  static async on(dataSource: DataSource, marker: string): Promise<Stage> {
    const last = await dataSource.getRepository(Vault).findOne({
      select: { id: true },
      where: { id: Not(IsNull()) },
      order: { id: 'DESC' },
      withDeleted: true,
    })
    return new Stage(dataSource, marker, last?.id ?? 0)
  }

  get manager(): EntityManager {
    return this.dataSource.manager
  }

  get vaults(): Repository<Vault> {
    return this.dataSource.getRepository(Vault)
  }

  get items(): Repository<Item> {
    return this.dataSource.getRepository(Item)
  }

  /** A new plaintext with the marker in it. */
  secret(): string {
    const secret = `${'.'.repeat(this.#handedOut.length % 3)}${this.marker} "é%" ${++labels}`
    this.#handedOut.push(secret)
    return secret
  }

  label(): string {
    return `label ${++labels}`
  }

  /** Values of a vault: a secret in every encrypted column. */
  values(): Values {
    return {
      label: this.label(),
      text: this.secret(),
      bytes: Buffer.from(this.secret()),
      json: { codes: [this.secret()] },
      base64: this.secret(),
      direct: this.secret(),
      profile: { token: this.secret() },
    }
  }

  vault(): Vault {
    return this.vaults.create(this.values())
  }

  /** A vault that is in the database, with secrets that nobody looks for. */
  async existing(): Promise<Vault> {
    const saved = await this.vaults.save(this.vault())
    this.#handedOut.length = 0
    return saved
  }

  /** The plaintexts handed out that the application cannot read. */
  async unreadable(): Promise<string[]> {
    const vaults = await this.vaults
      .createQueryBuilder('vault')
      .addSelect('vault.hidden')
      .withDeleted()
      .where('vault.id > :since', { since: this.since })
      .getMany()
    const items = await this.items.find()
    const readable = new Set(
      vaults
        .flatMap(({ text, bytes, json, base64, direct, hidden, profile }) => {
          const texts: unknown[] = [text, base64, direct, hidden, (profile as Vault['profile'] | null)?.token]
          return [...texts, (bytes as Buffer | null)?.toString(), ...(json?.codes ?? [])]
        })
        .concat(items.map(({ note }) => note)),
    )
    return this.#handedOut.filter((secret) => !readable.has(secret))
  }
}
