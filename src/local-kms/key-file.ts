import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

import { type Location } from './key-identifier'
import { type AccountRecord } from './account'
import { isObject } from './request-fields'

const VERSION = 1
const OWNER_ONLY = 0o600

/** What a key file holds: the place and its keys, key material in clear. */
type KeyFileContent = Location & AccountRecord

/**
 * Keys that outlive the process, in one JSON file. It holds key material in clear and is readable by its
 * owner alone (mode 0600). One process at a time: the last writer wins.
 */
export class KeyFile {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /**
   * The content, or `undefined` when there is no file yet.
   *
   * @throws when it is not a key file, cannot be read, or could not be written.
   */
  read(): KeyFileContent | undefined {
    let text: string | undefined
    try {
      // The file is replaced by way of another beside it.
      accessSync(dirname(this.#path), constants.W_OK)
      if (existsSync(this.#path)) {
        text = readFileSync(this.#path, 'utf8')
        chmodSync(this.#path, OWNER_ONLY)
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new Error(
        `${this.#path} cannot be read and written (${code ?? 'unknown error'}). Name a file of your own in a folder that exists.`,
        { cause: error },
      )
    }
    return text === undefined ? undefined : this.#parse(text)
  }

  /** Replaces the file in one step: whoever reads it sees the old content or the new, and never a part. */
  write(content: KeyFileContent): void {
    // A link that the owner made stays one: what it points at is replaced.
    const path = existsSync(this.#path) ? realpathSync(this.#path) : this.#path
    writeWhole(path, `${JSON.stringify({ version: VERSION, ...content }, null, 2)}\n`)
  }

  /** The parser's own message would quote the file: it is left out. */
  #parse(text: string): KeyFileContent {
    let content: unknown
    try {
      content = JSON.parse(text)
    } catch {
      throw new Error(`${this.#path} is not JSON, so it is not a key file of the embedded KMS.`)
    }
    if (isObject(content) && content['version'] === VERSION) {
      const { region, accountId, keys, aliases } = content
      const hasPlace = typeof region === 'string' && typeof accountId === 'string'
      if (hasPlace && Array.isArray(keys) && Array.isArray(aliases))
        return content as unknown as KeyFileContent
    }
    throw new Error(`${this.#path} is not a key file of the embedded KMS, version ${VERSION}.`)
  }
}

/** Nobody can have put a file or a link where this is written first: its name is random, and it must not exist. */
function writeWhole(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  const file = openSync(temporary, 'wx', OWNER_ONLY)
  try {
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Makes the new name last. Where a system has no folders to open, it needs none of this. */
function syncFolder(folder: string): void {
  let file: number | undefined
  try {
    file = openSync(folder, 'r')
    fsyncSync(file)
  } catch {
    // The file is whole either way; after a loss of power it may be the one before.
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
