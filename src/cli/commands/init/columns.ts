import { type Declaration, declarationsIn, oneLine } from './declarations'
import { soundsHarmless, soundsLikeIt } from './names'
import { type Source } from './project'
import { type Sample } from './sample'

/** A column that may be worth encrypting, and its declaration before and after. */
export interface ProposedColumn {
  /** Without one, the column is declared in another way than by `@Column()`. */
  readonly file?: string
  readonly line?: number
  readonly entity: string
  readonly property: string
  readonly before?: string
  readonly after: string
  /** Why it is proposed. */
  readonly reasons: readonly string[]
  /** What has to be thought of, if anything. */
  readonly remark?: string
}

/** Of fewer, it is chance what they look like. */
const LEAST_SHARE = 0.2
/** TypeORM's own, which make a column what cannot be encrypted. */
const NOT_TO_ENCRYPT = /^(?:PrimaryColumn|Generated|JoinColumn|VersionColumn)$/
const RANDOM = 'keys, tokens or digests'

/** The columns of a file whose names, or values, look like secrets or personal data. */
export function columnsIn(source: Source, samples: readonly Sample[] = []): ProposedColumn[] {
  return declarationsIn(source).flatMap((declaration) => {
    const sample = samples.find((each) => isOf(each, declaration))
    const reasons = reasonsFor(declaration, sample)
    if (reasons.length === 0 || declaration.decorators.some((name) => NOT_TO_ENCRYPT.test(name))) return []
    const { file, line, entity, property, options, head, type } = declaration
    const written = type === '' ? '' : `: ${type}`
    const remark = remarkOn(declaration)
    return [
      {
        file,
        line,
        entity,
        property,
        before: `@Column(${oneLine(options)}) ${head}${written}`,
        after: `@KmsEncrypted(${optionsOf(declaration)}) ${head}${written}`,
        reasons,
        ...(remark !== undefined && { remark }),
      },
    ]
  })
}

/** Those of the database that stand in no `@Column()`, as those of an `EntitySchema` or of JavaScript. */
export function otherColumns(sources: readonly Source[], samples: readonly Sample[]): ProposedColumn[] {
  const declarations = sources.flatMap(declarationsIn)
  return samples.flatMap((sample) => {
    const { entity, property, isNullable } = sample
    if (declarations.some((each) => isOf(sample, each))) return []
    const reasons = reasonsFor({ property, type: 'string' }, sample)
    const after = `kmsEncryptedColumn({ type: 'string'${isNullable ? ', nullable: true' : ''} })`
    return reasons.length === 0 ? [] : [{ entity, property, after, reasons }]
  })
}

/** An inherited column is declared in another class than that of the entity. */
function isOf({ property, classes }: Sample, declaration: Declaration): boolean {
  return declaration.property === property && classes.includes(declaration.entity)
}

function reasonsFor(
  { property, type }: Pick<Declaration, 'property' | 'type'>,
  sample: Sample | undefined,
): string[] {
  const isFlag = /^boolean\b/.test(type)
  const kind = sample?.kinds[0]
  const ofValues =
    sample &&
    kind &&
    kind.values / sample.looked >= LEAST_SHARE &&
    !(kind.name === RANDOM && soundsHarmless(property))
      ? [
          `${Math.floor((kind.values / sample.looked) * 100)} % of ${count(sample.looked)} look like ${kind.name}`,
        ]
      : []
  return [...(soundsLikeIt(property) && !isFlag ? ['its name'] : []), ...ofValues]
}

function count(values: number): string {
  return values === 1 ? '1 value' : `${values} values`
}

function optionsOf({ options, type, isOptional }: Declaration): string {
  const isNullable = /\bnull\b/.test(type) || /nullable:\s*true/.test(options) || isOptional
  const name = /\bname:\s*(['"][^'"]+['"])/.exec(options)?.[1]
  const parts = [
    `type: '${typeOf(type, options)}'`,
    ...(name === undefined ? [] : [`name: ${name}`]),
    ...(isNullable ? ['nullable: true'] : []),
    ...(/select:\s*false/.test(options) ? ['select: false'] : []),
    ...(/unique:\s*true/.test(options) ? ['search: true', 'unique: true'] : []),
  ]
  return `{ ${parts.join(', ')} }`
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  boolean: 'boolean',
  bigint: 'bigint',
  Date: 'date',
  Buffer: 'buffer',
  Uint8Array: 'buffer',
}

function typeOf(type: string, options: string): string {
  const parts = type
    .split('|')
    .map((part) => part.trim())
    .filter((part) => part !== 'null' && part !== 'undefined')
  if (type === '') return /^\s*['"](?:small|big)?int|float|double|real/.test(options) ? 'number' : 'string'
  // A union of texts is a text.
  if (parts.every((part) => /^(['"]).*\1$/.test(part))) return 'string'
  const [only = '', ...others] = parts
  return others.length > 0 ? 'json' : (TYPES[only] ?? 'json')
}

function remarkOn({ options, decorators }: Declaration): string | undefined {
  if (/transformer:/.test(options)) return 'its transformer goes; where it encrypts, see docs/coming-from.md'
  if (/default:/.test(options)) return 'its default goes into the class'
  if (/unique:\s*true/.test(options))
    return 'a blind index keeps it unique; it needs an index key (docs/search.md)'
  if (decorators.some((name) => name === 'Index' || name === 'Unique'))
    return 'its index finds nothing any more: take it away, and search by a blind index (docs/search.md)'
  return undefined
}
