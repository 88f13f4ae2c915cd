import { type Dialect } from '../dialect'

export const postgres: Dialect = {
  name: 'postgres',
  binaryColumnsHoldBytes: true,
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'bytea' }),
}
