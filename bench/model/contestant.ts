/** One program under measurement: a process of its own that answers JSON requests, a line each. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Wall and CPU time of one run, in milliseconds. */
export type Time = { readonly ms: number; readonly cpu_ms: number }
/** What every answer carries: the most memory that the process has held so far. */
export type Peak = { readonly peak_bytes: number }

type Start = {
  readonly python?: string
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export class Contestant {
  readonly name: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  /** @param program a file of this folder, run by Node, or by the Python given. @param flags of Node. @param env more of its environment. */
  constructor(
    name: string,
    program: string,
    threads: number,
    { python, flags = [], env = {} }: Start = {},
  ) {
    this.name = name
    this.#child = spawn(
      python ?? process.execPath,
      [...flags, join(import.meta.dirname, program)],
      {
        env: {
          ...process.env,
          ...env,
          OMP_NUM_THREADS: String(threads),
          OPENBLAS_NUM_THREADS: String(threads),
          MKL_NUM_THREADS: String(threads),
        },
      },
    )
    this.#child.stderr.pipe(process.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** @throws Error if the process ended instead of answering; its own message is on stderr. */
  async ask<Answer>(request: object): Promise<Answer & Peak> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`model: ${this.name} ended without an answer; its message is above`)
    return JSON.parse(value) as Answer & Peak
  }

  /** Ends the process and with it gives its memory back. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, 'exit')
  }
}

/** Starts one, uses it and ends it, also after an error. */
export async function withContestant<Value>(
  contestant: Contestant,
  use: (contestant: Contestant) => Promise<Value>,
): Promise<Value> {
  try {
    return await use(contestant)
  } finally {
    await contestant.close()
  }
}
