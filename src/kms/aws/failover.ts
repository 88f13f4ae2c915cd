import {
  KeyUnavailableError,
  type KmsEncryptionError,
  KmsUnavailableError,
  ThrottledError,
} from '../../errors'
import { type RegionalClient } from './regional-client'

/** What a Region said that could not do a call. */
export interface RegionFailure {
  region: RegionalClient
  error: KmsEncryptionError
}

/** Trouble of one Region, of which another knows nothing. */
const REGIONAL = [KmsUnavailableError, ThrottledError, KeyUnavailableError] as const

/**
 * True if no other Region need be asked. A key that was disabled or a policy that denies is somebody's decision, which
 * holds, and is not got round in another Region. After the own Region failed, only what a replica says of the value
 * counts: that it has no such key, or may not be asked, does not say that the value is lost.
 */
export function isAnswer(error: KmsEncryptionError, isAfterAnother: boolean): boolean {
  if (isAfterAnother) return error.kind === 'value'
  return !REGIONAL.some((Class) => error instanceof Class)
}

/** The error of the own Region, and what the others said. */
export async function noRegion([own, ...others]: readonly RegionFailure[]): Promise<unknown> {
  if (!own || others.length === 0) return own?.error
  const said = await Promise.all(
    others.map(async ({ region, error }) => `${await nameOf(region)} ${error.code} (${error.reason})`),
  )
  const { reason, cause } = own.error
  const Class = REGIONAL.find((each) => own.error instanceof each) ?? KmsUnavailableError
  return new Class(`${reason} The other Regions did not help: ${said.join('; ')}`, { cause })
}

async function nameOf(region: RegionalClient): Promise<string> {
  return region.region().catch(() => 'a Region without a name:')
}
