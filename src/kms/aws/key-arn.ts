/*
 * The replicas of a multi-Region key have one id, one key material and one ARN per Region: what was encrypted in one
 * Region opens in another. Their ids begin with `mrk-`, and no other id does.
 *
 * Source: https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
 */

const MULTI_REGION = /^(arn:[\w-]+:kms:)([\w-]+)(:\d{12}:key\/mrk-[\w-]+)$/
const ALIAS = /^(arn:[\w-]+:kms:)([\w-]+)(:\d{12}:alias\/.+)$/

/** True for two ARNs of one key: the same, or those of one multi-Region key in two Regions. */
export function isSameKey(arn: string, other: string): boolean {
  return keyIdentity(arn) === keyIdentity(other)
}

/** True for the ARN of a key that may have replicas, each with an ARN of its own. */
export function isMultiRegion(arn: string): boolean {
  return MULTI_REGION.test(arn)
}

/** The ARN of a key, without the Region if it is a multi-Region key. */
export function keyIdentity(arn: string): string {
  return arn.replace(MULTI_REGION, '$1*$3')
}

/**
 * The name of a key in another Region: of the ARN of a multi-Region key the ARN there. With `aliases`, also of the ARN
 * of an alias that of the alias of the same name. Any other name is the same everywhere, or means nothing elsewhere.
 */
export async function inRegion(
  keyId: string,
  region: () => Promise<string>,
  { aliases }: { aliases: boolean },
): Promise<string> {
  const pattern = [MULTI_REGION, ...(aliases ? [ALIAS] : [])].find((each) => each.test(keyId))
  return pattern ? keyId.replace(pattern, `$1${await region()}$3`) : keyId
}
