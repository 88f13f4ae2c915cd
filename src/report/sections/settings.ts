import { count, type Html, markup } from '../html'
import { type Report, type ReportedColumn, type ReportedIndex } from '../report'
import { facts } from '../table'

/** How each column is encrypted. */
export function settings({ columns }: Report): Html {
  return markup`${columns.map((column) => markup`<section class="card"><h3>${column.name}</h3>${factsOf(column)}</section>\n`)}`
}

function factsOf(column: ReportedColumn): Html {
  const { mode, dataKeys, kmsKey, context, keyPer, boundToRow, indexes, previousSettings } = column
  const pairs = [
    ...Object.entries(context).map(([name, value]) => `${name} = ${value}`),
    ...keyPer.map((name) => `${name} of the row`),
  ]
  const kept = { inline: 'carried by each value', stored: 'in a table', none: 'none' }[dataKeys]
  return facts([
    [
      'in the database',
      markup`<code>${column.table}.${column.column}</code>${column.databaseType ? `, ${column.databaseType}` : ''}`,
    ],
    ['type of the value', column.valueType],
    [
      'mode',
      mode === 'envelope' ? 'envelope: AES-256-GCM under a data key' : 'direct: KMS encrypts each value',
    ],
    ['data keys', kept],
    ['KMS key of new values', markup`<code>${kmsKey ?? 'named by a function of the context'}</code>`],
    ['encryption context', pairs.join(', ')],
    ['bound to', ['table and column', ...boundToRow.map((name) => `${name} of the row`)].join(', ')],
    ['blind indexes', indexes.map(nameOf).join(', ') || 'none'],
    ['plaintext when reading', column.acceptsPlaintext ? 'let through (acceptPlaintext)' : 'refused'],
    ['new values', column.mayWritePlaintext ? 'may be stored in clear (writes)' : 'encrypted'],
    ['earlier settings', previousSettings === 0 ? undefined : count(previousSettings, 'setting')],
  ])
}

function nameOf({ name, column, isUnique }: ReportedIndex): string {
  return `${name} in ${column}${isUnique ? ', unique' : ''}`
}
