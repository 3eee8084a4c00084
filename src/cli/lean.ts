/** A process that keeps little memory beside a model's weights. */

import type { Precision } from '../model/index.ts'

/** How Node is started. */
type Start = { readonly env: Readonly<Record<string, string>>; readonly flags: readonly string[] }

/**
 * By itself glibc gives back to the system only pieces larger than the largest that was ever freed, up to 32 MB; smaller ones
 * stay with the process, and what is kept between them holds them open: 4 % of a 2B model in 4 bits. V8 keeps 30 MB for new objects.
 */
const LEAN: Start = {
  env: {
    MALLOC_MMAP_THRESHOLD_: String(2 ** 20),
    MALLOC_TRIM_THRESHOLD_: String(2 ** 22),
    MALLOC_ARENA_MAX: '2',
  },
  flags: ['--max-semi-space-size=1'],
}

/**
 * How to start for weights of a precision; `undefined` where it saves little. Arrays of a pass then come from the system each time:
 * in digits (i16), where products are quick, that would cost a sixth of the speed.
 */
export function leanStart(weights: Precision | undefined): Start | undefined {
  return weights === 'bf16' || weights === 'q8' || weights === 'q4' ? LEAN : undefined
}

/** Starts the program anew as `--weights` or `--memory` among its arguments want it: neither can be set later. */
export function restartLean(): void {
  const { platform, env, argv, execPath, execArgv, execve } = process
  if (platform !== 'linux' || execve === undefined) return
  const found = startOf(argv)
  if (found === undefined || Object.keys(found.env).some((name) => name in env)) return
  const args = [execPath, ...found.flags, ...execArgv, ...argv.slice(1)]
  execve(execPath, args, { ...env, ...found.env })
}

/** What a command line's `--weights`, or else its `--memory`, wants. */
export function startOf(argv: readonly string[]): Start | undefined {
  const value = (option: string): string | undefined => {
    const at = argv.findLastIndex((word) => word === option || word.startsWith(`${option}=`))
    return at < 0 ? undefined : (argv[at]!.split('=')[1] ?? argv[at + 1])
  }
  const weights = leanStart(value('--weights') as Precision | undefined)
  return weights ?? (value('--memory') === undefined ? undefined : leanStart('bf16'))
}
