import { type DataSource } from 'typeorm'
import { HiddenParameter } from '../dialects/rows/hidden-parameter'
import { type ReplacedMethods } from './replaced-methods'

/**
 * Takes the statement with its values in place out of an error, where one of them is hidden: mysql2 puts it there.
 * TypeORM gives the error to its logger before anybody else, and makes its own of it then.
 */
export function hideInErrors({ logger }: DataSource, methods: ReplacedMethods): void {
  methods.replace(logger, 'logQueryError', (log) => (error, sql, parameters, queryRunner) => {
    const given = parameters as readonly unknown[] | undefined
    const hasHidden = given?.some((each) => each instanceof HiddenParameter) === true
    if (hasHidden) Reflect.deleteProperty(Object(error) as object, 'sql')
    log(error, sql, parameters, queryRunner)
  })
}
