/*
 * What the reader makes of a statement. No type here knows TypeORM: a `Catalogue` says which tables and columns
 * there are, and the objects of that catalogue come back in the structure, so that whoever made the catalogue can
 * hang more on them (`CatalogueColumn` of an encrypted column leads to its declarations).
 *
 * Offsets (`start`, `end`) are places in the text as it was read, `end` exclusive, so that a statement can be
 * rewritten from its structure. Parameters are numbered from 0, as in the array that goes with the text; a
 * placeholder that stands for no element of that array has the number -1.
 *
 * One structure stands for all texts that differ only in the digits of compared numbers (`numbers.ts`): it holds no
 * such number. Take it from the text, by its offsets.
 */

/** What is known of the database's tables. */
export interface Catalogue {
  readonly tables: readonly CatalogueTable[]
  /** Databases and schemas that a name without any stands for, such as `public`, `main` or the connection's own. */
  readonly defaults: readonly string[]
}

export interface CatalogueTable {
  /** `[name]`, `[schema, name]` or `[database, schema, name]`, as the database has them. */
  readonly path: readonly string[]
  readonly columns: readonly CatalogueColumn[]
}

export interface CatalogueColumn {
  /** As the database has it. */
  readonly name: string
  readonly isEncrypted: boolean
  readonly isPrimary: boolean
  /** A blind index is written beside it: then the places where a value goes into it are kept. */
  readonly isSearched?: boolean
  /** Values of the row are bound to keys that the database makes: those places are kept, too. */
  readonly isLocated?: boolean
}

export type StatementKind = 'select' | 'insert' | 'update' | 'delete' | 'other'

/** A statement, as far as it concerns tables and columns of the catalogue. */
export interface Statement {
  readonly kind: StatementKind
  /** Tables of the catalogue that stand anywhere in the statement, once for each time they are named. */
  readonly tables: readonly NamedTable[]
  /**
   * The columns of the rows that the statement gives: selected items, or those of RETURNING, in their order. `*`
   * and `t.*` are spelled out as far as the catalogue knows the tables. Of two with one name the drivers give the
   * last.
   */
  readonly results: readonly ResultColumn[]
  /** What INSERT or REPLACE puts into its columns. There are more than one only with common table expressions. */
  readonly inserts: readonly Insert[]
  /** SET of an UPDATE or INSERT, ON CONFLICT … DO UPDATE SET, ON DUPLICATE KEY UPDATE. */
  readonly assignments: readonly Assignment[]
  /** Of an UPDATE of one table, if its WHERE alone says which rows it changes. */
  readonly updated: Updated | undefined
  /** DISTINCT and GROUP BY by encrypted columns. */
  readonly groupings: readonly Grouping[]
  /** Comparisons of encrypted columns, in WHERE, ON, HAVING and anywhere else. */
  readonly comparisons: readonly Comparison[]
  /**
   * What holds for each row that the statement gives, changes or deletes, because its own WHERE says so: columns,
   * encrypted or not, that equal a parameter. They are those at the top level of AND; and where each side of an OR
   * says it of one column, all its parameters together.
   */
  readonly conditions: readonly Condition[]
  /** Parameters that the text has places for. */
  readonly parameters: number
  /** How often placeholders stand in the text that stand there more than once (`$1`). */
  readonly repeated: ReadonlyMap<number, number>
  /** Every place that names an encrypted column, directly or through what stands for it, in the text's order. */
  readonly uses: readonly ColumnUse[]
  /** Set if the reader could not place a part of the text: then the other parts say nothing. */
  readonly unreadable: string | undefined
}

export interface NamedTable {
  readonly table: CatalogueTable
  /** What columns are qualified with: the alias, or the table's name. */
  readonly alias: string
}

export interface ResultColumn {
  /** The key in the row, or `undefined` where the database makes one up (an expression without AS). */
  readonly name: string | undefined
  /**
   * What it is, if it is a column of the catalogue and nothing was done to it. One source for each branch of a set
   * operation; most often there is one, and none for expressions and for columns of unknown tables.
   */
  readonly sources: readonly ColumnSource[]
}

export interface ColumnSource {
  readonly table: CatalogueTable
  readonly column: CatalogueColumn
  /**
   * Names the occurrence of the table: results with equal `row` come from one and the same row of it. It is the
   * alias, and for what comes through derived tables the path of aliases.
   */
  readonly row: string
  /** It comes through a derived table: beside it stand only the columns that this one selects. */
  readonly isDerived?: true
}

export interface Insert {
  readonly table: CatalogueTable | undefined
  /** The written column list; empty where there is none. */
  readonly columns: readonly InsertedColumn[]
  readonly hasColumnList: boolean
  /** The rows of VALUES, in their order, those alike taken together. None for INSERT … SELECT and DEFAULT VALUES. */
  readonly runs: readonly RowRun[]
  /** True for INSERT … SELECT and the like. */
  readonly isFromQuery: boolean
  /** ON CONFLICT … DO UPDATE, or ON DUPLICATE KEY UPDATE, if it has one. */
  readonly conflict: Conflict | undefined
  /** IGNORE, or DO NOTHING: it may be that a row is not inserted. */
  readonly mayBeIgnored: boolean
}

/** Which rows an UPDATE changes. */
export interface Updated {
  /** The table with its alias. */
  readonly table: Span
  /** Behind WHERE. */
  readonly condition: Clause
}

/** A piece of the text, with its placeholders in their order. */
export interface Clause {
  readonly span: Span
  readonly placeholders: readonly { readonly index: number; readonly span: Span }[]
}

/** Which row an INSERT updates instead. */
export interface Conflict {
  /** Columns of the unique key that matches; `undefined` if the statement does not say, or not by plain names. */
  readonly columns: readonly string[] | undefined
  /** Where the names stand, in their order. */
  readonly spans: readonly Span[]
}

/**
 * Where something stands in the text. A statement that is remembered stands for others with other numbers: what they
 * are, only the text tells.
 */
export type Span = readonly [start: number, end: number]

export interface InsertedColumn {
  readonly name: string
  /** `undefined` if the catalogue does not have it. */
  readonly column: CatalogueColumn | undefined
  /** Where its name ends in the column list. */
  readonly end: number
}

/** Rows that differ in nothing but the numbers of their placeholders. */
export interface RowRun {
  readonly rows: number
  /** Of the first row, one for each column of the list. */
  readonly cells: readonly AssignedValue[]
  /** How far the number of each placeholder goes on from row to row: row `k` has `index + k * stride`. */
  readonly stride: number
  /** Where the cells of each row end in the text, by the place of their column: of columns that are searched or located. */
  readonly ends: ReadonlyMap<number, readonly number[]>
}

export interface Assignment {
  readonly name: string
  /** `undefined` if the catalogue does not have it. */
  readonly column: CatalogueColumn | undefined
  readonly value: AssignedValue
  /** From the name with its qualifier to the end of the value. */
  readonly start: number
  readonly end: number
  /** Of the name without its qualifier. */
  readonly nameStart: number
  readonly nameEnd: number
}

export type AssignedValue =
  | { readonly kind: 'placeholder'; readonly index: number }
  /** A whole number in the text, in each row of a run. */
  | { readonly kind: 'integer'; readonly spans: readonly Span[] }
  | { readonly kind: 'null' }
  | { readonly kind: 'default' }
  /** What the same statement was to insert into the same column: `EXCLUDED.c`, `VALUES(c)`; or the column itself. */
  | { readonly kind: 'itself'; readonly nameStart: number; readonly nameEnd: number }
  | { readonly kind: 'expression' }

/** A column that equals one of some parameters. */
export interface Condition {
  readonly source: ColumnSource
  /** Numbers of the parameters. A parameter may be an array: that of `= ANY ($1)`, and in MySQL of `IN (?)`. */
  readonly placeholders: readonly number[]
  /** Those of `= ANY ($1)`: a text there is read as an array by the database, and says nothing. */
  readonly arrays: readonly number[]
  /** Where whole numbers stand in the text; the column equals one of these or one of those. */
  readonly integers: readonly Span[]
}

/** A comparison of an encrypted column with placeholders, and nothing but placeholders. */
export interface Comparison {
  readonly source: ColumnSource
  /** `=`, `<>`, `IN`, `LIKE`, …: upper-case, as written. */
  readonly operator: string
  readonly isNegated: boolean
  /** Numbers of the parameters that it is compared with, in their order. */
  readonly placeholders: readonly number[]
  /** Where they stand; only in a text in which a number stands more than once. */
  readonly spans: readonly Span[]
  /** Of the whole comparison. */
  readonly start: number
  readonly end: number
  /** Of the column with its qualifier. */
  readonly columnStart: number
  readonly columnEnd: number
  /** Of its name without the qualifier, which ends at `columnEnd`. */
  readonly nameStart: number
  /** The name is that of the column in the database, and another column of its table can stand in its place. */
  readonly isDirect: boolean
  /** It is under NOT, or else part of something larger than AND and OR. */
  readonly isBent: boolean
  /** What the WHERE around it says of the same row of the table: see `conditions`. */
  readonly beside: readonly Condition[]
}

/** What is done with an encrypted column at a place. */
export type Place =
  /** Plainly selected, or an item of RETURNING. */
  | 'selected'
  /** In the column list of INSERT, or the target of an assignment. */
  | 'target'
  /** `IS NULL`, `IS NOT NULL`. */
  | 'null-test'
  /** `COUNT(column)`. */
  | 'counted'
  /** `COUNT(DISTINCT column)`. */
  | 'counted-distinct'
  /** Compared with what was to be inserted instead of it, by an upsert that skips unchanged rows. */
  | 'unchanged-test'
  /** DISTINCT, GROUP BY or a set operation beside the whole primary key of its table. */
  | 'grouped-by-key'
  /** The source of an assignment to itself. */
  | 'itself'
  | 'searched'
  | 'ordered'
  | 'aggregated'
  | 'grouped'
  | 'computed'
  /** A value that is not a parameter goes into the column, or the column into another. */
  | 'raw-value'
  /** The reader cannot tell what the name stands for. */
  | 'unplaced'

export interface ColumnUse {
  readonly source: ColumnSource
  readonly place: Place
  /** The function that it is an argument of, upper-case, if there is one. */
  readonly called: string | undefined
  readonly start: number
  readonly end: number
  /** True between the directives of `encryption.raw()`: the application says that it means the ciphertext. */
  readonly isRaw: boolean
  /** As of `Comparison`. */
  readonly nameStart: number
  readonly isDirect: boolean
}

/** DISTINCT or GROUP BY of one SELECT, if an encrypted column has to do with it. */
export interface Grouping {
  /** Where DISTINCT stands. Then every item is a column, and nothing is grouped besides. */
  readonly distinct: Span | undefined
  /** The items of GROUP BY that are columns. */
  readonly groups: readonly GroupedColumn[]
  /** The selected items that are columns. */
  readonly items: readonly SelectedColumn[]
  /** Behind FROM and WHERE. */
  readonly end: number
}

export interface GroupedColumn {
  /** `undefined` if the catalogue does not have it. */
  readonly source: ColumnSource | undefined
  /** Of the column with its qualifier. */
  readonly start: number
  readonly end: number
  readonly nameStart: number
  readonly isDirect: boolean
}

export interface SelectedColumn extends GroupedColumn {
  /** Its name in the rows, if that is not written behind it. */
  readonly ownName: string | undefined
}
