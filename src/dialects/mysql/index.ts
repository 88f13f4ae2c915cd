import { type Dialect } from '../dialect'
import { storedType } from './stored-type'

/** MySQL and MariaDB. */
export const mysql: Dialect = { name: 'mysql', binaryColumnsHoldBytes: true, storedType }
