import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.module'

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule)
  app.enableShutdownHooks()
  await app.listen(process.env['PORT'] ?? 3_000)
  console.log(`Listening at ${await app.getUrl()}/customers`)
}

void bootstrap()
