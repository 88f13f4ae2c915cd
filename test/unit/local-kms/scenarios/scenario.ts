import {
  DecryptCommand,
  type DecryptCommandInput,
  EncryptCommand,
  type EncryptCommandInput,
  type KMSClient,
} from '@aws-sdk/client-kms'

import { type Stage } from '../stage'

/** Something that AWS documents, or is known to answer, played step by step. */
export interface Scenario {
  name: string
  play(stage: Stage): Promise<void>
}

const secret = Buffer.from('a private key')

export const encrypt = async (client: KMSClient, input: { KeyId: string } & Partial<EncryptCommandInput>) =>
  (await client.send(new EncryptCommand({ Plaintext: secret, ...input }))).CiphertextBlob!

export const decrypt = async (client: KMSClient, input: DecryptCommandInput) =>
  Buffer.from((await client.send(new DecryptCommand(input))).Plaintext!).toString()
