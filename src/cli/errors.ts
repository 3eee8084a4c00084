/** Exit codes and the two kinds of failure: used wrongly, and failed. */

/** The command was used wrongly (exit 2): the message says what was found, what was expected and what to type. */
export class CliError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CliError'
  }
}

/** 0 done, 1 failed, 2 used wrongly, 130 interrupted. */
export function exitCode(error: unknown): 1 | 2 | 130 {
  if (error instanceof CliError) return 2
  if (error instanceof Error && error.name === 'AbortError') return 130
  return 1
}

/** The message and the chain of causes, without stacks unless `stacks`. */
export function renderError(error: unknown, stacks = false): string {
  if (!(error instanceof Error)) return String(error)
  const own = stacks ? (error.stack ?? error.message) : error.message
  const cause = error.cause instanceof Error ? renderError(error.cause, stacks) : undefined
  return cause === undefined || own.includes(cause) ? own : `${own}\n  because: ${cause}`
}
