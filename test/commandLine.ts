/** Runs a command line in this process. */
import { vi } from 'vitest'
import { exitCode, renderError } from '../src/cli/errors.ts'
import { createProgram } from '../src/cli/program.ts'

/** @returns the exit code, the error's message (empty where there was none) and what went to stdout. */
export async function hooke(
  ...args: string[]
): Promise<{ code: number; message: string; printed: string }> {
  const printed: string[] = []
  const keep = (text: unknown) => void printed.push(String(text))
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(keep),
    vi.spyOn(console, 'error').mockImplementation(() => {}),
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      keep(text)
      return true
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
  ]
  try {
    const program = createProgram({ signal: new AbortController().signal })
    await program.parseAsync(args, { from: 'user' })
    return { code: 0, message: '', printed: printed.join('\n') }
  } catch (error) {
    const usage = error instanceof Error && 'exitCode' in error
    const code = usage ? (error.exitCode === 0 ? 0 : 2) : exitCode(error)
    return { code, message: renderError(error), printed: printed.join('\n') }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
