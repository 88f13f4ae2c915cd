import { ConfigurableModuleBuilder, Module, type OnApplicationShutdown } from '@nestjs/common'
import { ModuleRef } from '@nestjs/core'
import { KmsEncryption, type KmsEncryptionOptions } from '../kms-encryption'
import { KmsEncryptionHealthIndicator } from './health'

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<KmsEncryptionOptions>()
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build()

/**
 * Makes one `KmsEncryption` for the application, which `TypeOrmModule.forRootAsync()` and any provider can inject. It is
 * closed, and its data keys are zero-filled, when the application shuts down.
 *
 * `forRoot()` takes the options of `kmsEncryption()`; `forRootAsync()` takes `useFactory`, `inject` and `imports`, as
 * usual in NestJS, so that options can come from `ConfigService`. The module is global; `isGlobal: false` makes it an
 * ordinary one. Options that cannot work fail the start of the application with `InvalidOptionError`.
 *
 * @example
 * ```ts
 * const imports = [
 *   KmsEncryptionModule.forRootAsync({
 *     inject: [ConfigService],
 *     useFactory: (config: ConfigService) => ({ keyId: config.getOrThrow<string>('KMS_KEY_ID') }),
 *   }),
 *   TypeOrmModule.forRootAsync({
 *     inject: [KmsEncryption],
 *     useFactory: (encryption: KmsEncryption) => encryption.configure({ type: 'mysql', autoLoadEntities: true }),
 *   }),
 * ]
 * ```
 */
export class KmsEncryptionModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  readonly #module: ModuleRef

  constructor(module: ModuleRef) {
    super()
    this.#module = module
  }

  /** Requests have ended by then, and `@nestjs/typeorm` needs no data key to close its connections. */
  onApplicationShutdown(): void {
    this.#module.get(KmsEncryption).close()
  }
}

// As calls, so that no compiler has to emit metadata for them.
Reflect.defineMetadata('design:paramtypes', [ModuleRef], KmsEncryptionModule)
Module({
  providers: [
    {
      provide: KmsEncryption,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: KmsEncryptionOptions) => new KmsEncryption(options),
    },
    {
      provide: KmsEncryptionHealthIndicator,
      inject: [KmsEncryption],
      useFactory: (encryption: KmsEncryption) => new KmsEncryptionHealthIndicator(encryption),
    },
  ],
  exports: [KmsEncryption, KmsEncryptionHealthIndicator],
})(KmsEncryptionModule)
