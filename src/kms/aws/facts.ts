/** What is known of an error that the AWS SDK threw. */
export interface Facts {
  name: string
  message: string
  /** Of a system error. */
  code: string
  /** HTTP status of the answer; 0 if there was none, or it is not known. */
  status: number
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  /** True if there was an answer, with whatever status. */
  wasAnswered: boolean
  /** True if the SDK read an error of a service in the answer, with its name. */
  isException: boolean
}

/** Looks at any object alike: test runners have several realms, each with an `Error` of its own. */
export function factsOf(error: unknown): Facts {
  const { name, message, code, $metadata, $response, $fault } = (error ?? {}) as {
    name?: unknown
    message?: unknown
    code?: unknown
    $fault?: unknown
    $metadata?: { httpStatusCode?: number }
    $response?: { statusCode?: number; headers?: Record<string, string> }
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const status = $metadata?.httpStatusCode ?? $response?.statusCode ?? 0
  return {
    name: text(name),
    message: text(message),
    code: text(code),
    status,
    // Errors of another realm come in a wrapper that has their text alone.
    wasAnswered: status !== 0 || text(message).includes('Deserialization error:'),
    headers: Object.fromEntries(
      Object.entries($response?.headers ?? {}).map(([header, value]) => [header.toLowerCase(), text(value)]),
    ),
    // A proxy's JSON may have a number there, such as its status.
    isException: $fault !== undefined && /^(?!Unknown(Error)?$)[A-Za-z]/.test(text(name)),
  }
}
