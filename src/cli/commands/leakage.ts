import { indexLeakage, type IndexLeakage } from '../../migration'
import { placeOf } from '../../migration/encrypted-columns'
import { type Command } from '../command'
import { withDataSource } from '../data-source'
import { chosenColumns, COLUMN_OPTIONS } from '../migration-options'
import { amount } from '../progress'
import { type Terminal } from '../terminal'

export const leakage: Command = {
  name: 'leakage',
  summary: 'Says what the blind indexes of your own rows show whoever reads the database, and what helps.',
  options: COLUMN_OPTIONS,
  async run(args, terminal) {
    const found = await withDataSource(args, async (dataSource) => {
      const all: IndexLeakage[] = []
      for (const column of chosenColumns(dataSource, args)) {
        const { target, propertyPath } = placeOf(column)
        all.push(...(await indexLeakage(dataSource, target, propertyPath)))
      }
      return all
    })
    terminal.printJson(found)
    if (found.length === 0) terminal.print('No column has a blind index (search).')
    for (const each of found) print(each, terminal)
  },
}

function print(leak: IndexLeakage, terminal: Terminal): void {
  const { entity, property, column, rows, nulls, classes, largest, alone, met, entropy, guess, bits } = leak
  terminal.print(`${entity}.${property} (${column})`)
  terminal.table(
    [
      'rows',
      'NULL',
      'different',
      'largest class',
      'alone',
      'found by a search',
      'bits told',
      'bits to guess',
    ],
    [
      [rows, nulls, classes, largest, alone]
        .map(amount)
        .concat([met, entropy, guess].map((each) => each.toFixed(1))),
    ],
  )
  terminal.table(
    ['index of', 'different', 'largest class', 'found by a search', 'expected', 'values as one, expected'],
    bits.map((each) => [
      `${each.bits} bits`,
      amount(each.classes),
      amount(each.largest),
      each.met.toFixed(1),
      each.expectedMet.toFixed(1),
      each.expectedValues.toFixed(1),
    ]),
  )
  for (const text of leak.advice) terminal.remark('→ ', text)
  terminal.print()
}
