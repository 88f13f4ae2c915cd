import { type Stored } from '../orm/read/value-opener'
import { type BlindIndex } from '../orm/search/blind-index'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { type Shard } from '../dialects/rows/key-order'

/** Rows that are not converted. */
export interface RowsLeft {
  /** As the database counts them. */
  readonly counted: number
  /** Those of them that were met, and stay as they are. */
  readonly met: number
}

/** What is to be done with the values of one column: a class per command. */
export interface Conversion {
  /** What the rows then are, for people: `encrypted`. */
  readonly done: string
  /** True if the result says something about all rows, so that none may be hidden. */
  readonly certifies?: boolean
  /** Why running it again begins anew, and does not go on where it was ended. */
  readonly startsOver?: string | undefined
  /** True if a value whose data key was destroyed is left as it is. */
  readonly leavesForgotten?: boolean
  /** Blind indexes that it reads or writes beside the value. */
  readonly indexes?: readonly BlindIndex[]
  /** Called before the first row: throws where it is known from the start that it cannot end well. */
  begin(layout: ColumnLayout, rows: ColumnRows): Promise<void>
  /** Values such as will be stored, to be tried out on a row before the first one is written. */
  samples?(): Promise<readonly Stored[]>
  /** What to store instead, or `undefined` where the row is as it should be. */
  convert(row: ColumnRow): Promise<Converted | undefined>
  /** Called before the rows are gone through once more. */
  again?(): void
  /** Called for a row that is not converted: it failed, is forgotten, or others write it again and again. */
  leave?(row: ColumnRow): void
  /** Asks the database for the rows that are still to be converted. */
  left?(rows: ColumnRows, shard: Shard | undefined): Promise<RowsLeft>
  /** Called after the last row: asks the database whether it agrees. */
  end?(rows: ColumnRows, shard: Shard | undefined): Promise<void>
}
