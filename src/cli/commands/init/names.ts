const SECRETS =
  'secret|private_?key|api_?key|access_?key|encryption_?key|token|password|passwd|passphrase|otp|totp|recovery|pin|credentials?|seed|mnemonic'
const PERSONAL =
  'iban|bic|ssn|social_?security|tax_?id|passport|national_?id|birth_?(?:date|day)|date_?of_?birth|dob|phone|mobile|e_?mail|address|street|salary|card|cvv|cvc|diagnosis|account|(?:first|last|given|family|full|maiden)_?name|surname'
const NAME = new RegExp(
  `(?:^|_)(?:${SECRETS}|${PERSONAL})(?:_?(?:number|no|code|value|text|line_?\\d?|address))?(?:e?s)?$`,
)
const SECRET = new RegExp(`(?:^|_)(?:${SECRETS})s?$`)
/** What is hashed already, or only about a value. */
const HARMLESS =
  /(?:^|_)(?:hash|hashed|digest|checksum|fingerprint|salt|etag)(?:_|$)|^(?:is|has)_|_(?:at|on|id|count|type)$/

/** True if a property is called like a secret or like personal data. */
export function soundsLikeIt(property: string): boolean {
  const words = wordsOf(property)
  return NAME.test(words) && !HARMLESS.test(words)
}

/** True if it is called like a secret. */
export function soundsSecret(property: string): boolean {
  const words = wordsOf(property)
  return SECRET.test(words) && !HARMLESS.test(words)
}

/** True if it is called like something that looks like a secret and is none, such as a hash. */
export function soundsHarmless(property: string): boolean {
  return HARMLESS.test(wordsOf(property))
}

/** `emailAddress` and `email_address` are the same words. */
function wordsOf(property: string): string {
  return property
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
}
