/** Options of one blind index: a keyed hash of a value in a column beside it, by which rows are found. */
export interface SearchIndexOptions {
  /**
   * Name of the index; the column beside is called after it: `<column>_<name>`. Default `index`. Values made by `from`
   * need a name of their own.
   */
  name?: string
  /**
   * What is compared instead of the value, of the same type: `(login) => login.trim().toLowerCase()`. Two values that
   * become equal are found by each other. Changed, it is another index: give it another name and fill that.
   */
  normalize?: (value: never) => unknown
  /** What is indexed instead of the value: its last digits, its domain, a year. Text, a number, or bytes. */
  from?: (value: never) => string | number | bigint | boolean | Uint8Array
  /**
   * Bits of the hash that are kept, 1 to 120, where the index shows too much: other values have them, too, so that the
   * database sees less. Rows with the same bits are opened to find those that are meant. Default: all 128.
   */
  bits?: number
  /**
   * Other encrypted properties of the same class whose values are indexed together with this one, under a `name`. Found
   * by conditions of equality on all of them, or by `Indexed(name, { … })`.
   */
  with?: readonly string[]
  /** No two rows have the same; with `keyPer`, `'perKey'`: no two rows of the same tenant. */
  unique?: Unique
  /** Writes the index and answers no search: while `typeorm-kms encrypt` fills it. */
  filling?: boolean
}

/** Whether two rows may have the same value. */
export type Unique = boolean | 'perKey'

export type SearchOption = true | SearchIndexOptions | readonly (true | SearchIndexOptions)[]

/** A blind index as it was declared. */
export interface DeclaredIndex {
  readonly name: string
  /** `undefined` where equal bytes are what is compared. */
  readonly normalize: ((value: unknown) => unknown) | undefined
  readonly from: ((value: unknown) => unknown) | undefined
  readonly bits: number | undefined
  /** Properties that are indexed together with the column's. */
  readonly with: readonly string[]
  readonly isUnique: boolean
  readonly isFilling: boolean
}

export const DEFAULT_INDEX = 'index'

const KNOWN = ['name', 'normalize', 'from', 'bits', 'with', 'unique', 'filling']
/** More would not be fewer than the whole index has. */
const MAX_BITS = 120
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,30}$/

type Refuse = (reason: string) => never

/** The blind indexes that `search` and `unique` ask for. */
export function declaredIndexes(
  search: SearchOption | undefined,
  unique: unknown,
  isKeyed: boolean,
  refuse: Refuse,
): readonly DeclaredIndex[] {
  if (search === undefined) {
    return unique === undefined
      ? []
      : refuse(
          'unique needs search: equal values have different ciphertexts, and only a blind index tells them. Declare search: true as well.',
        )
  }
  const all: unknown[] = Array.isArray(search) ? search : [search]
  if (all.length === 0) refuse('search must be true, options, or a list with at least one of them')
  const indexes = all.map((each) => declaredIndex(each, isKeyed, refuse))
  const names = new Set(indexes.map(({ name }) => name))
  if (names.size < indexes.length) refuse('two indexes of search have the same name')
  if (unique === undefined) return indexes
  const isUnique = checkedUnique('unique', unique, isKeyed, refuse)
  if (isUnique && indexes.some(({ name, bits }) => name === DEFAULT_INDEX && bits !== undefined))
    refuse('unique needs the whole index: with search.bits, different values have the same')
  if (!names.has(DEFAULT_INDEX))
    refuse('unique is about the index without a name, which search does not have')
  return indexes.map((each) => (each.name === DEFAULT_INDEX && isUnique ? { ...each, isUnique } : each))
}

/** Where each tenant has an index key of its own, nobody can tell that two of them have the same value. */
function checkedUnique(option: string, unique: unknown, isKeyed: boolean, refuse: Refuse): boolean {
  if (unique === false) return false
  if (isKeyed && unique === true) {
    return refuse(
      `${option}: true cannot be held with keyPer: equal values of two keys have different indexes. Declare ${option}: 'perKey': no two rows under the same key have the same value.`,
    )
  }
  if (!isKeyed && unique === 'perKey')
    return refuse(`${option}: 'perKey' needs keyPer. Declare ${option}: true.`)
  if (unique === true || unique === 'perKey') return true
  return refuse(`${option} must be true or false, or 'perKey' with keyPer`)
}

function declaredIndex(given: unknown, isKeyed: boolean, refuse: Refuse): DeclaredIndex {
  if (given === true) return declaredIndex({}, isKeyed, refuse)
  if (typeof given !== 'object' || given === null) {
    return refuse('search must be true, options, or a list of them')
  }
  const {
    name = DEFAULT_INDEX,
    normalize,
    from,
    bits,
    with: others,
    unique = false,
    filling = false,
  } = given as Record<string, unknown>
  for (const option of Object.keys(given)) {
    if (!KNOWN.includes(option)) refuse(`unknown option search.${option}. Known are ${KNOWN.join(', ')}.`)
  }
  if (typeof name !== 'string' || !NAME.test(name)) {
    return refuse('search.name must be a letter with up to 30 letters, digits and "_" behind it')
  }
  if (normalize !== undefined && typeof normalize !== 'function')
    refuse('search.normalize must be a function')
  if (from !== undefined && typeof from !== 'function') refuse('search.from must be a function')
  if (from && normalize) refuse('search takes normalize or from: what from gives is indexed as it is')
  if (from && name === DEFAULT_INDEX) {
    refuse('search.from needs search.name: the index without a name is searched by the value itself')
  }
  const isUnique = checkedUnique('search.unique', unique, isKeyed, refuse)
  checkBits(bits, isUnique || others !== undefined, refuse)
  if (others !== undefined && (name === DEFAULT_INDEX || normalize !== undefined || from !== undefined)) {
    refuse('search.with needs search.name, and takes the values as they are: without normalize and from')
  }
  if (typeof filling !== 'boolean') refuse('search.filling must be true or false')
  return {
    name,
    normalize: normalize as DeclaredIndex['normalize'],
    from: from as DeclaredIndex['from'],
    bits: bits as number | undefined,
    with: checkedProperties(others, refuse),
    isUnique,
    isFilling: filling,
  }
}

function checkBits(bits: unknown, isOther: boolean, refuse: Refuse): void {
  if (bits === undefined) return
  if (!Number.isSafeInteger(bits) || (bits as number) < 1 || (bits as number) > MAX_BITS)
    refuse(`search.bits must be a whole number from 1 to ${MAX_BITS}`)
  if (isOther)
    refuse('search.bits goes neither with unique nor with search.with: different values have the same bits')
}

function checkedProperties(others: unknown, refuse: Refuse): readonly string[] {
  if (others === undefined) return []
  const all: readonly unknown[] = Array.isArray(others) ? others : []
  const names = all.filter((each) => typeof each === 'string')
  if (names.length > 0 && names.length === all.length && new Set(names).size === names.length) return names
  return refuse('search.with must be a list of properties, each once')
}
