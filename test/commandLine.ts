/** Runs a command line in this process. */
import { vi } from 'vitest'
import { exitCode, renderError } from '../src/cli/errors.ts'
import { createProgram } from '../src/cli/program.ts'

/** @returns the exit code, the error's message (empty where there was none), what went to stdout, and what `console.error` said. */
export async function hooke(
  ...args: string[]
): Promise<{ code: number; message: string; printed: string; said: string }> {
  const printed: string[] = []
  const said: string[] = []
  const keep = (text: unknown) => void printed.push(String(text))
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(keep),
    vi.spyOn(console, 'error').mockImplementation((text) => void said.push(String(text))),
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      keep(text)
      return true
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
  ]
  try {
    const program = createProgram({ signal: new AbortController().signal })
    await program.parseAsync(args, { from: 'user' })
    return { code: 0, message: '', printed: printed.join('\n'), said: said.join('\n') }
  } catch (error) {
    const usage = error instanceof Error && 'exitCode' in error
    const code = usage ? (error.exitCode === 0 ? 0 : 2) : exitCode(error)
    const output = { printed: printed.join('\n'), said: said.join('\n') }
    return { code, message: renderError(error), ...output }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
