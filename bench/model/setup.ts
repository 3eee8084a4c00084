/** What every part of the model bench is given, and what it makes of it. */
import { freemem } from 'node:os'
import { LEAN } from '../../src/cli/lean.ts'
import { bytesOf, type Precision } from '../../src/model/memory.ts'
import { openRandom } from '../../src/model/random.ts'
import { Contestant, type Peak, type Time } from './contestant.ts'
import type { HookeRequest } from './hooke.ts'
import { parameterCount, type Shape } from './shape.ts'

export type Setup = {
  /** The checkpoint's. */
  readonly folder: string
  /** Hooke, compiled. */
  readonly program: string
  readonly shape: Shape
  readonly threads: number
  /** How often the contestants take turns. */
  readonly rounds: number
  /** Of Hooke, except where a part says which. */
  readonly weights: Precision
  /** Of a run that streams layers. */
  readonly memory_bytes: number
  /** Rows and tokens a row of the batches that a pass is timed on. */
  readonly batches: readonly (readonly [n_seqs: number, seq_len: number])[]
}

/** Random ids [n_seqs][seq_len], BOS first and no other special id. */
export function randomIds(shape: Shape, n_seqs: number, seq_len: number): number[][] {
  const random = openRandom(7)
  const id = () => 3 + Math.floor(random() * (shape.d_vocab - 3))
  return Array.from({ length: n_seqs }, () => [2, ...Array.from({ length: seq_len - 1 }, id)])
}

/** Activations and the process itself, beside the weights. */
const REST_BYTES = 1.5e9

/** Whether weights of so many bytes, with what is needed beside them, fit into the memory that is free. */
export const fitsMemory = (weights_bytes: number): boolean =>
  freemem() >= weights_bytes + REST_BYTES

/**
 * A machine that runs out of memory ends any program it likes, so this is asked before.
 * @throws RangeError if weights of so many bytes do not fit.
 */
export function checkMemory(who: string, weights_bytes: number): void {
  if (fitsMemory(weights_bytes)) return
  const [free, need] = [freemem(), weights_bytes + REST_BYTES].map((n) => (n / 1e9).toFixed(1))
  throw new RangeError(
    `model: ${who} needs about ${need} GB of memory, ${free} GB are free. End other programs, or give fewer bits by --weights, or one part by its name.`,
  )
}

/** How Hooke is opened: with weights of a precision, or in as much memory as it may take. */
export type Opening = { readonly weights: Precision } | { readonly memory_bytes: number }

/** How opening went. */
export type Opened = Time & Peak & { readonly weights_bytes: number }

/** Hooke in a process of its own, with the checkpoint open. */
export class Hooke {
  readonly #process: Contestant
  readonly opened: Opened

  private constructor(process: Contestant, opened: Opened) {
    this.#process = process
    this.opened = opened
  }

  /** Opens the checkpoint, uses it, and ends the process. */
  static async with<Value>(
    { folder, program, shape, threads }: Setup,
    opening: Opening,
    use: (hooke: Hooke) => Promise<Value>,
  ): Promise<Value> {
    if ('weights' in opening)
      checkMemory(
        `Hooke in ${opening.weights}`,
        parameterCount(shape) * bytesOf(opening.weights, 2),
      )
    // As the command line does.
    const start = 'weights' in opening && opening.weights === 'q4' ? LEAN : undefined
    const process = new Contestant('Hooke', program, threads, start)
    try {
      const request = { do: 'open', folder, threads, ...opening } as const
      return await use(new Hooke(process, await process.ask<Opened>(request)))
    } finally {
      await process.close()
    }
  }

  ask<Answer>(request: HookeRequest): Promise<Answer & Peak> {
    return this.#process.ask<Answer>(request)
  }
}
