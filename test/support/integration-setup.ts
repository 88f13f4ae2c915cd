import 'reflect-metadata'

/** Jest takes no timeout per project. Servers under load and key calls need more than its 5 seconds. */
jest.setTimeout(30_000)
