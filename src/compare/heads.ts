/** Losses of the same targets in two models, and how far their predictions are apart. */

import { headOf, openReadout } from '../evaluate/index.ts'
import type { Model } from '../model/index.ts'

/** Logits compared at a time: few enough that the readout keeps the base model's probabilities. */
const CHUNK_LOGITS = 2 ** 24

export type TwoHeads = {
  /**
   * @param base rows [n, d_model] of `ln_final.hook_normalized` that `targets` [n] are predicted from, of each model.
   * @returns losses in nats [n], and KL(base || tuned) [n].
   */
  compare(
    base: Float32Array,
    tuned: Float32Array,
    targets: Int32Array,
  ): Promise<{ base: Float32Array; tuned: Float32Array; kl: Float32Array }>
  close(): Promise<void>
}

/** Opens the heads of two models of the same vocabulary; `threads` as in `openReadout`. */
export async function openHeads(base: Model, tuned: Model, threads = 0): Promise<TwoHeads> {
  const { d_model, d_vocab } = base.config
  const of_base = await openReadout(await headOf(base), threads)
  const of_tuned = await openReadout(await headOf(tuned), threads)
  const step = Math.max(1, Math.floor(CHUNK_LOGITS / d_vocab))
  return {
    async compare(x_base, x_tuned, targets) {
      const n = targets.length
      const all = {
        base: new Float32Array(n),
        tuned: new Float32Array(n),
        kl: new Float32Array(n),
      }
      for (let from = 0; from < n; from += step) {
        const to = Math.min(n, from + step)
        const own = targets.subarray(from, to)
        const rows = (x: Float32Array) => x.subarray(from * d_model, to * d_model)
        const { losses, reference } = await of_base.plain(rows(x_base), own)
        const found = await of_tuned.compare(rows(x_tuned), own, reference)
        all.base.set(losses, from)
        all.tuned.set(found.losses, from)
        all.kl.set(found.kl, from)
      }
      return all
    },
    async close() {
      await of_base.close()
      await of_tuned.close()
    },
  }
}
