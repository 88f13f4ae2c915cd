#!/usr/bin/env node
import { run } from './run'

run(process.argv.slice(2), process).then(
  (status) => {
    process.exitCode = status
  },
  (error: unknown) => {
    console.error(error)
    process.exitCode = 1
  },
)
