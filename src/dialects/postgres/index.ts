import { type Dialect } from '../dialect'

export const postgres: Dialect = {
  name: 'postgres',
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'bytea' }),
}
