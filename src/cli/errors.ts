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

/**
 * The message and the chain of causes, without stacks unless `stacks`. What the system said (`ENOENT: no such file …`) and
 * causes without words are left out then: the message above has put it better.
 */
export function renderError(error: unknown, stacks = false): string {
  if (!(error instanceof Error)) return String(error)
  if (stacks) return [error.stack ?? error.message, ...causeOf(error, stacks)].join('\n')
  const message = isBareAbort(error) ? STOPPED : error.message
  return [message, ...causeOf(error, stacks)].join('\n')
}

const STOPPED = 'stopped; what was finished is on disk, and the same command goes on from there'

/** An abort that says nothing about where it came. */
const isBareAbort = (error: Error): boolean =>
  error instanceof DOMException && error.name === 'AbortError'

function causeOf({ message, cause }: Error, stacks: boolean): string[] {
  if (!(cause instanceof Error)) return []
  if (!stacks && (cause.message === '' || 'syscall' in cause)) return causeOf(cause, stacks)
  const text = renderError(cause, stacks)
  return message.includes(text) ? [] : [`  because: ${text}`]
}
