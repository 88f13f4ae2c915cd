import { isUtf8 } from 'node:buffer'
import { type Delivery } from '../../column/driver-value'
import { type KmsEncryptedOptions, type WritesOption } from '../../column/options'
import { isWrites } from '../../column/scheme'
import { type Plaintext } from '../../column/types'
import { type Dialect } from '../../dialects'
import { HiddenParameter } from '../../dialects/rows/hidden-parameter'
import { InvalidOptionError, InvalidValueError } from '../../errors'
import { type Stored, type ValueOpener } from '../read/value-opener'

/** Of a column in which `writes` may have plaintext stored for the time being, as those read it that do not decrypt. */
export class PlaintextWrites {
  /** Of a column's options and those of all; `undefined` where all is encrypted, always. */
  static of(
    { acceptPlaintext, writes: own }: KmsEncryptedOptions,
    ofAll: WritesOption | undefined,
    place: { entity: string; property: string },
    dialect: Pick<Dialect, 'hidesParameters'>,
    delivery: Delivery,
  ): PlaintextWrites | undefined {
    const writes = own ?? ofAll
    if (acceptPlaintext !== true || writes === undefined || writes === 'ciphertext') return undefined
    return new PlaintextWrites(writes, place, dialect.hidesParameters, delivery)
  }

  private constructor(
    private readonly writes: WritesOption,
    private readonly place: { entity: string; property: string },
    private readonly isHidden: boolean,
    private readonly delivery: Delivery,
  ) {}

  /** Asked at each write. */
  get areOn(): boolean {
    const answer: unknown = typeof this.writes === 'function' ? this.writes(this.place) : this.writes
    if (isWrites(answer)) return answer === 'plaintext'
    throw new InvalidOptionError(
      "the function writes of kmsEncryption() must give 'ciphertext' or 'plaintext' at once, and gave something else. Nothing was written.",
      this.place,
    )
  }

  /** A value as the column holds it. Throws for one that would be read as something else. */
  stored(plaintext: Plaintext, opener: ValueOpener): Stored {
    const stored = this.#asStored(plaintext)
    if (opener.isReadAsItIs(stored)) return stored
    throw new InvalidValueError(
      "the value looks like a ciphertext, and could not be told from one: it cannot be stored as plaintext. Store it with writes: 'ciphertext'.",
      this.place,
    )
  }

  /** The same for a statement: neither TypeORM's logger nor its errors show it, where the driver can be told. */
  parameter(plaintext: Plaintext, opener: ValueOpener): unknown {
    const stored = this.stored(plaintext, opener)
    return this.isHidden ? new HiddenParameter(stored) : stored
  }

  #asStored(plaintext: Plaintext): Stored {
    if (typeof plaintext === 'string') return this.delivery === 'bytes' ? Buffer.from(plaintext) : plaintext
    const bytes = Buffer.from(plaintext)
    if (this.delivery !== 'text') return bytes
    if (isUtf8(bytes)) return bytes.toString('utf8')
    throw new InvalidValueError(
      "a column with storage: 'text' cannot hold these bytes as plaintext. Use a binary column, or writes: 'ciphertext'.",
      this.place,
    )
  }
}
