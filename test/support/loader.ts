import { join } from 'node:path'

/** The arguments with which Node loads the TypeScript of this project, for processes that tests start. */
export const LOADER: readonly string[] = ['-r', join(__dirname, 'typescript.cjs')]
