import { KmsUnavailableError } from '../../errors'
import { type Facts } from './facts'
import { type Explanation } from './failed-call'

/** Headers by which proxies, firewalls and gateways are known. */
const TELLING = ['content-type', 'server', 'via', 'proxy-authenticate', 'location']
const LONGEST = 100

/**
 * What answered, where that was not KMS: a proxy's page with any status, or an answer that was cut off on the way.
 * KMS's own refusals carry a name.
 */
export function foreignAnswer(facts: Facts): Explanation | undefined {
  if (!facts.wasAnswered || facts.isException) return undefined
  return [
    KmsUnavailableError,
    ({ operation }) =>
      `what answered ${operation} was not KMS, or its answer was cut off on the way: ${described(facts)}. ${remedy(facts)} The operation can be repeated.`,
  ]
}

/**
 * In place of the SDK's error, whose text and hidden fields have parts of the answer: with a plaintext in it, if it was
 * KMS's after all.
 */
export function foreignAnswerCause(facts: Facts): Error {
  return new Error(`the answer could not be read (${facts.name}): ${described(facts)}`)
}

function described({ status, headers, code }: Facts): string {
  const known = TELLING.filter((name) => headers[name]).map(
    (name) => `${name}: ${printable(headers[name] ?? '')}`,
  )
  return [status === 0 ? 'no HTTP status' : `HTTP ${status}`, ...(code === '' ? [] : [code]), ...known].join(
    ', ',
  )
}

function remedy({ status, code }: Facts): string {
  if (status === 407) return 'A proxy asks for credentials: give them in the URL of HTTPS_PROXY.'
  if (code !== '') return 'Check the network and what stands between this process and KMS.'
  return 'A proxy or firewall stands between: let it pass kms.*.amazonaws.com as it is, use a VPC endpoint, or check AWS_ENDPOINT_URL_KMS and HTTPS_PROXY.'
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '').slice(0, LONGEST)
}
