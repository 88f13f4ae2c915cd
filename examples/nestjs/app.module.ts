import { Module } from '@nestjs/common'
import { ConfigModule, ConfigService } from '@nestjs/config'
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core'
import { TerminusModule } from '@nestjs/terminus'
import { TypeOrmModule } from '@nestjs/typeorm'
import {
  KmsEncryption,
  KmsEncryptionContextInterceptor,
  KmsEncryptionExceptionFilter,
  KmsEncryptionModule,
} from 'typeorm-kms-encrypted/nestjs'
import { CustomersModule } from './customers/customers.module'
import { databaseOptions } from './database'
import { HealthController } from './health.controller'
import { kmsOptions } from './kms'

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    KmsEncryptionModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => kmsOptions(config.get<string>('KMS_KEY_ID')),
    }),
    TypeOrmModule.forRootAsync({
      inject: [ConfigService, KmsEncryption],
      useFactory: (config: ConfigService, encryption: KmsEncryption) =>
        encryption.configure({
          ...databaseOptions(config.get<string>('DATABASE_URL')),
          autoLoadEntities: true,
          // For an example that starts with an empty database. An application of yours has migrations.
          synchronize: true,
        }),
    }),
    TerminusModule,
    CustomersModule,
  ],
  controllers: [HealthController],
  providers: [
    { provide: APP_FILTER, useClass: KmsEncryptionExceptionFilter },
    { provide: APP_INTERCEPTOR, useClass: KmsEncryptionContextInterceptor },
  ],
})
export class AppModule {}
