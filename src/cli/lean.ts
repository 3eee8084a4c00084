/** A process that keeps little memory beside a model's weights. */

/**
 * By itself glibc gives back to the system only pieces larger than the largest that was ever freed, up to 32 MB; smaller ones
 * stay with the process, and what is kept between them holds them open: 4 % of a 2B model in 4 bits. V8 keeps 20 MB for new objects.
 *
 * Arrays of a pass then come from the system each time, so this is for weights of so few bits that memory must be what matters.
 */
export const LEAN = {
  env: {
    MALLOC_MMAP_THRESHOLD_: String(2 ** 20),
    MALLOC_TRIM_THRESHOLD_: String(2 ** 22),
    MALLOC_ARENA_MAX: '2',
  },
  flags: ['--max-semi-space-size=1'],
} as const

/** Starts the program anew where its arguments say `--weights q4`: neither can be set later. */
export function restartLean(): void {
  const { platform, env, argv, execPath, execArgv, execve } = process
  if (platform !== 'linux' || execve === undefined || !isLean(argv)) return
  if (Object.keys(LEAN.env).some((name) => name in env)) return
  execve(execPath, [execPath, ...LEAN.flags, ...execArgv, ...argv.slice(1)], {
    ...env,
    ...LEAN.env,
  })
}

/** Training wants speed of whatever else it holds. */
const isLean = (argv: readonly string[]): boolean =>
  argv[2] !== 'train' &&
  argv.some((word, i) => word === '--weights=q4' || (word === 'q4' && argv[i - 1] === '--weights'))
