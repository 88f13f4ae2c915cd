import { join } from 'node:path'

/** Where the sample keeps its files: this folder, or the one that `SAMPLE_FOLDER` names. */
const folder = process.env['SAMPLE_FOLDER'] || __dirname

/** The SQLite database, where `DATABASE_URL` names no other. */
export const databaseFile = join(folder, 'sample.sqlite')

/** The keys of the embedded KMS, where `KMS_KEY_ID` names no key of another one. */
export const keyFile = join(folder, 'sample-kms.json')
