export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
}

/** Reads a server's address from an environment variable that the global set-up or the user filled. */
export function serverAddress(variable: string, defaultPort: number): ServerAddress {
  const value = process.env[variable]
  if (!value) throw new Error(`${variable} is not set: is this test in one of Jest's integration projects?`)
  const url = new URL(value)
  return {
    host: url.hostname,
    port: Number(url.port || defaultPort),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  }
}
