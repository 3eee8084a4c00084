/** What every part of the model bench is given, and what it makes of it. */
import { openRandom } from '../../src/model/index.ts'
import { Contestant, type Peak, type Time } from './contestant.ts'
import type { HookeRequest } from './hooke.ts'
import type { Shape } from './shape.ts'

export type Weights = 'f32' | 'bf16' | 'q8' | 'q4'

export type Setup = {
  /** The checkpoint's. */
  readonly folder: string
  readonly shape: Shape
  readonly threads: number
  /** How often the contestants take turns. */
  readonly rounds: number
  /** Of Hooke, except where a part says which. */
  readonly weights: Weights
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

/** Hooke in a process of its own, with the checkpoint open. */
export class Hooke {
  readonly #process: Contestant
  /** How opening went. */
  readonly opened: Time & Peak

  private constructor(process: Contestant, opened: Time & Peak) {
    this.#process = process
    this.opened = opened
  }

  /** Opens the checkpoint, uses it, and ends the process. */
  static async with<Value>(
    { folder, threads, weights }: Setup,
    options: { readonly weights?: Weights; readonly memory_bytes?: number },
    use: (hooke: Hooke) => Promise<Value>,
  ): Promise<Value> {
    const process = new Contestant('Hooke', 'hooke.ts', threads)
    try {
      const request = { do: 'open', folder, threads, weights, ...options } as const
      return await use(new Hooke(process, await process.ask<Time>(request)))
    } finally {
      await process.close()
    }
  }

  ask<Answer>(request: HookeRequest): Promise<Answer & Peak> {
    return this.#process.ask<Answer>(request)
  }
}
