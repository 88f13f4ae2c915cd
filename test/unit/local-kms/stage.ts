import { isDeepStrictEqual } from 'node:util'

import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DeleteAliasCommand,
  type KeyMetadata,
  type KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'

/** A step of a scenario that went otherwise than AWS's documentation has it. */
export interface Difference {
  step: string
  expected: unknown
  found: unknown
}

/**
 * What a scenario is played on: any KMS. Steps are noted as outcomes without ids, so that they can be
 * compared between endpoints; whoever plays decides what a difference means.
 */
export class Stage {
  readonly client: KMSClient
  readonly differences: Difference[] = []
  readonly #suffix = Math.random().toString(36).slice(2, 10)
  readonly #keys: KeyMetadata[] = []
  readonly #aliases: string[] = []

  constructor(client: KMSClient) {
    this.client = client
  }

  async key(input: CreateKeyCommandInput = {}): Promise<{ id: string; arn: string }> {
    const { KeyMetadata: metadata } = await this.client.send(new CreateKeyCommand(input))
    this.#keys.push(metadata!)
    return { id: metadata!.KeyId!, arn: metadata!.Arn! }
  }

  /** An alias name of this stage, deleted with it. */
  alias(name: string): string {
    const alias = `alias/stage-${this.#suffix}-${name}`
    this.#aliases.push(alias)
    return alias
  }

  /** Notes whether the action answers as expected: an exception as `name` or `name: message`, else a value. */
  async see(step: string, action: () => Promise<unknown>, expected: unknown): Promise<void> {
    let found: unknown
    try {
      found = await action()
    } catch (error) {
      const { name, message } = error as Error
      const withMessage = typeof expected === 'string' && expected.includes(': ')
      found = withMessage ? `${name}: ${this.#withoutIds(message)}` : name
    }
    if (!isDeepStrictEqual(found, expected)) this.differences.push({ step, expected, found })
  }

  /** Removes what the scenario made. */
  async clear(): Promise<void> {
    const commands = [
      ...this.#aliases.map((AliasName) => this.client.send(new DeleteAliasCommand({ AliasName }))),
      ...this.#keys.map(({ KeyId }) =>
        this.client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })),
      ),
    ]
    await Promise.allSettled(commands)
  }

  #withoutIds(message: string): string {
    return message
      .replace(/arn:aws:kms:[a-z0-9-]+:\d+:key\/(mrk-)?[0-9a-f-]{32,36}/g, '<arn>')
      .replace(/arn:aws:kms:[a-z0-9-]+:\d+:alias/g, '<place>:alias')
      .replaceAll(`stage-${this.#suffix}-`, '')
  }
}
