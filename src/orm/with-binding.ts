import { type DataSource, type DataSourceOptions } from 'typeorm'

/**
 * Options under which a new DataSource is handed to `bind` before it connects. TypeORM has one documented option
 * that is called with the DataSource when it is constructed: the provider of the query result cache. What the
 * application said about the cache itself stays in force.
 */
export function withBinding<Options extends DataSourceOptions>(
  options: Options,
  bind: (dataSource: DataSource, withoutBinding: () => void) => void,
): Options {
  const { cache } = options
  const provider = (dataSource: DataSource): unknown => {
    bind(dataSource, () => {
      // The options that configure() gave may make other DataSources: they stay.
      const { cache: ours, ...others } = dataSource.options
      if (typeof ours !== 'object' || ours.provider !== provider) return
      Object.assign(dataSource, { options: cache === undefined ? others : { ...others, cache } })
    })
    if (typeof cache === 'object' && cache.provider) return cache.provider(dataSource)
    return cache ? builtInCache(dataSource, cache) : undefined
  }
  return { ...options, cache: { ...(typeof cache === 'object' ? cache : {}), provider } }
}

/** The cache that TypeORM makes for these options; it makes them where its options are set. */
function builtInCache(dataSource: DataSource, cache: NonNullable<DataSourceOptions['cache']>): unknown {
  const configured = dataSource.options.cache
  dataSource.setOptions({ cache })
  Object.assign(dataSource.options, { cache: configured })
  return dataSource.queryResultCache
}
