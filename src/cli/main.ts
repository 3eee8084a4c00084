#!/usr/bin/env node
/** The command line's entry, and the only place that ends the process. */

import { setFlagsFromString } from 'node:v8'
import { CommanderError } from 'commander'
import { exitCode, renderError } from './errors.ts'
import { restartLean } from './lean.ts'
import { createProgram } from './program.ts'

restartLean()

// Threads share V8's cache of compiled wrappers around functions that WebAssembly calls, and in V8 13.6 two threads may
// free one wrapper twice, which ends the process ("Check failed: jit_page.has_value()"). So none is compiled.
setFlagsFromString('--wasm-wrapper-tiering-budget=1000000000')

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
  const { withoutSecrets } = await import('../files/index.ts')
  const said = renderError(error, process.env.HOOKE_DEBUG !== undefined)
  process.stderr.write(`hooke: ${withoutSecrets(said)}\n`)
  process.exit(exitCode(error))
}
