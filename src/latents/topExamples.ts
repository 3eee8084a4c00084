/** The strongest examples of every latent: k slots a latent, the weakest gives way. */

import { makeSlots, type Peak, type Slots } from './slots.ts'

/** The k best peaks of each latent; equal texts once. */
export type TopExamples = {
  readonly slots: Slots
  /** [d_sae]: slots in use are latent * k .. latent * k + count. */
  readonly count: Uint16Array
  /** Whether a peak of this value could still enter; cheap, to ask first. */
  wants(latent: number, token: number, value: number): boolean
  /** Takes the peak if it is among the k best; of peaks with the same text around, the best one counts. */
  offer(latent: number, peak: Peak): void
}

/** How to tell equal texts: a hash of the tokens around a peak, and the comparison that settles it. */
export type TextIdentity = {
  hash(token: number): number
  equal(a: number, b: number): boolean
}

/**
 * Starts with no examples. The result does not depend on the order of offers: peaks are ranked by value, equals by their
 * place in the corpus.
 */
export function makeTopExamples(
  d_sae: number,
  k: number,
  window: number,
  text: TextIdentity,
): TopExamples {
  const slots = makeSlots(d_sae * k, window)
  const { token, value, key } = slots
  const count = new Uint16Array(d_sae)
  const weakest = new Int32Array(d_sae)

  const isBetter = (token_a: number, value_a: number, slot: number) =>
    value_a > value[slot]! || (value_a === value[slot]! && token_a < token[slot]!)

  const findWeakest = (latent: number) => {
    let worst = latent * k
    for (let s = worst + 1; s < latent * k + k; s++) {
      if (!isBetter(token[s]!, value[s]!, worst)) worst = s
    }
    weakest[latent] = worst
  }

  const wants = (latent: number, at: number, act: number) =>
    count[latent]! < k || isBetter(at, act, weakest[latent]!)

  return {
    slots,
    count,
    wants,
    offer(latent, peak) {
      if (!wants(latent, peak.token, peak.value)) return
      const hash = text.hash(peak.token)
      const first = latent * k
      const end = first + count[latent]!
      let slot = end < first + k ? end : weakest[latent]!
      for (let s = first; s < end; s++) {
        if (key[s] !== hash || !text.equal(token[s]!, peak.token)) continue
        if (!isBetter(peak.token, peak.value, s)) return
        slot = s
      }
      if (slot === end && end < first + k) count[latent]!++
      slots.put(slot, peak, hash)
      if (count[latent] === k) findWeakest(latent)
    },
  }
}
