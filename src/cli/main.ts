#!/usr/bin/env node
/** The command line's entry, and the only place that ends the process. */
import { CommanderError } from 'commander'
import { exitCode, renderError } from './errors.ts'
import { createProgram } from './program.ts'

const interrupt = new AbortController()
process.on('SIGINT', () => {
  if (interrupt.signal.aborted) process.exit(130)
  process.stderr.write('\nstopping at the next safe point (Ctrl-C again to end at once)\n')
  interrupt.abort()
})
process.on('SIGTERM', () => interrupt.abort())
// Whoever read the output has enough: `hooke generate … | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

try {
  await createProgram({ signal: interrupt.signal }).parseAsync()
  process.exit(interrupt.signal.aborted ? 130 : 0)
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  process.stderr.write(`hooke: ${renderError(error, process.env.HOOKE_DEBUG !== undefined)}\n`)
  process.exit(exitCode(error))
}
