import { type Stored } from '../orm/read/value-opener'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows } from './rows/column-rows'

/** What is to be done with the values of one column: a class per command. */
export interface Conversion {
  /** What the rows then are, for people: `encrypted`. */
  readonly done: string
  /** Called before the first row: throws where it is known from the start that it cannot end well. */
  begin(layout: ColumnLayout, rows: ColumnRows): Promise<void>
  /** What to store instead, or `undefined` where the row is as it should be. */
  convert(row: ColumnRow): Promise<Stored | undefined>
}
