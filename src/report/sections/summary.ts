import { amount, count, type Html, markup, percent } from '../html'
import { type Report } from '../report'

/** The first look: what there is, and whether anything is wrong. */
export function summary({ columns, kmsKeys, keyTable, findings }: Report): Html {
  const sum = (of: (rows: NonNullable<Report['columns'][number]['holds']>) => number): number =>
    columns.reduce((total, { holds }) => total + (holds ? of(holds) : 0), 0)
  const values = sum((rows) => rows.rows - rows.null)
  const encrypted = sum((rows) => rows.encrypted)
  const clear = sum((rows) => rows.plaintext)
  const level = (wanted: string): number => findings.filter(({ level }) => level === wanted).length
  const tables = new Set(columns.map(({ table }) => table)).size
  const unseen = columns.filter(({ unseen }) => unseen !== undefined).length
  const tiles: [value: string, name: string, isAlarm?: boolean][] = [
    [
      amount(columns.length),
      `encrypted ${columns.length === 1 ? 'column' : 'columns'} in ${count(tables, 'table')}`,
    ],
    [percent(encrypted, values), `of ${count(values, 'value')} encrypted`],
    [amount(clear), clear === 1 ? 'value in clear' : 'values in clear', clear > 0],
    [amount(kmsKeys.length), kmsKeys.length === 1 ? 'KMS key' : 'KMS keys'],
    ...(keyTable
      ? [[amount(keyTable.sealing + keyTable.openingOnly), 'stored data keys'] as [string, string]]
      : []),
    [amount(level('problem')), level('problem') === 1 ? 'problem' : 'problems', level('problem') > 0],
    [amount(level('warning')), level('warning') === 1 ? 'warning' : 'warnings'],
    ...(unseen > 0
      ? [
          [
            amount(unseen),
            `${unseen === 1 ? 'column' : 'columns'} not looked at, or not at all rows`,
            true,
          ] as [string, string, boolean],
        ]
      : []),
  ]
  return markup`<ul class="tiles">${tiles.map(
    ([value, name, isAlarm]) =>
      markup`<li class="${isAlarm ? 'alarm' : 'calm'}"><strong>${value}</strong>${name}</li>\n`,
  )}</ul>`
}
