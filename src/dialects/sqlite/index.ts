import { type Dialect } from '../dialect'

/** SQLite through better-sqlite3. */
export const sqlite: Dialect = {
  name: 'sqlite',
  binaryColumnsHoldBytes: false,
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'blob' }),
}
