/**
 * A random sample of every latent's peaks at every strength, from which examples of activation intervals are drawn.
 *
 * Every peak has a random priority, a hash of (seed, latent, token), and each bin of strength keeps the peaks of least
 * priority: a uniform sample that does not depend on the order of the corpus. Bins are those of `bins.ts`, fewer and wider:
 * when the top doubles, two bins' samples make the sample of both.
 */

import { hash32 } from '../activations/index.ts'
import { binOf, topAbove } from './bins.ts'
import { BINS_PER_INTERVAL, intervalOf } from './intervals.ts'
import { makeSlots, type Peak, type Slots } from './slots.ts'

/** Samples of all latents. */
export type Reservoirs = {
  readonly slots: Slots
  /** Whether a peak could enter; cheap, to ask first. */
  wants(latent: number, token: number, value: number): boolean
  offer(latent: number, peak: Peak): void
  /** Slots of the sample in one activation interval, 1 the strongest, least priority first. */
  interval(latent: number, interval: number): number[]
}

/** Slots that each latent takes. */
export function reservoirSlots(n_intervals: number, per_interval: number): number {
  return n_intervals * BINS_PER_INTERVAL * per_interval
}

/**
 * Empty samples.
 *
 * The intervals of a latent are `n_intervals` nearly equal stretches of the bins between 0 and its maximum, borders on
 * bins' borders (a bin is between 1/20 and 1/10 of the maximum at 5 intervals), so that each interval's sample is uniform.
 * @param per_interval peaks that each bin keeps: as many as an interval will show.
 */
export function makeReservoirs(
  d_sae: number,
  n_intervals: number,
  per_interval: number,
  window: number,
  seed: number,
): Reservoirs {
  const n_bins = n_intervals * BINS_PER_INTERVAL
  const slots = makeSlots(d_sae * n_bins * per_interval, window)
  const { token, key } = slots
  const count = new Uint8Array(d_sae * n_bins)
  /** [d_sae, n_bins]: a full bin takes nothing of higher priority. */
  const limit = new Uint32Array(d_sae * n_bins).fill(MAX_PRIORITY)
  const tops = new Float64Array(d_sae)
  const seedHash = hash32(seed)

  const binIn = (latent: number, act: number) => latent * n_bins + binOf(act, tops[latent]!, n_bins)

  /** The slot of a full bin that gives way first. */
  const lastOf = (bin: number): number => {
    let last = bin * per_interval
    for (let s = last + 1; s < (bin + 1) * per_interval; s++) {
      if (isBefore(key[last]!, token[last]!, key[s]!, token[s]!)) last = s
    }
    return last
  }

  /** The slot of a bin that a peak of this priority takes, -1 if none. */
  const enter = (bin: number, at: number, priority: number): number => {
    if (count[bin]! < per_interval) return bin * per_interval + count[bin]!++
    const last = lastOf(bin)
    return isBefore(priority, at, key[last]!, token[last]!) ? last : -1
  }

  const settle = (bin: number) => {
    limit[bin] = count[bin] === per_interval ? key[lastOf(bin)]! : MAX_PRIORITY
  }

  /** Doubles a latent's top: bin b becomes the sample of what bins 2b and 2b + 1 held. */
  const double = (latent: number) => {
    tops[latent]! *= 2
    const base = latent * n_bins
    for (let b = 0; b < n_bins; b++) {
      const bin = base + b
      if (b > 0) count[bin] = 0 // its peaks went to bin b / 2 before
      for (let source = b === 0 ? 1 : 2 * b; source <= 2 * b + 1 && source < n_bins; source++) {
        const first = (base + source) * per_interval
        for (let s = first; s < first + count[base + source]!; s++) {
          const slot = enter(bin, token[s]!, key[s]!)
          if (slot >= 0) slots.move(s, slot)
        }
      }
      settle(bin)
    }
  }

  return {
    slots,
    wants: (latent, at, act) =>
      act >= tops[latent]! || priorityOf(seedHash, latent, at) <= limit[binIn(latent, act)]!,
    offer(latent, peak) {
      if (tops[latent] === 0) tops[latent] = topAbove(peak.value)
      while (peak.value >= tops[latent]!) double(latent)
      const priority = priorityOf(seedHash, latent, peak.token)
      const bin = binIn(latent, peak.value)
      const slot = enter(bin, peak.token, priority)
      if (slot < 0) return
      slots.put(slot, peak, priority)
      settle(bin)
    },
    interval(latent, interval) {
      const used = count.subarray(latent * n_bins, (latent + 1) * n_bins)
      const n_used = used.findLastIndex((n) => n > 0) + 1
      const found: number[] = []
      for (let b = 0; b < n_used; b++) {
        if (intervalOf(b, n_used, n_intervals) !== interval) continue
        const bin = latent * n_bins + b
        for (let s = 0; s < count[bin]!; s++) found.push(bin * per_interval + s)
      }
      return found.sort((a, b) => key[a]! - key[b]! || token[a]! - token[b]!)
    },
  }
}

const MAX_PRIORITY = 2 ** 32 - 1

/** Uniform in 0 .. MAX_PRIORITY. @param seedHash hash32 of the seed. */
export function priorityOf(seedHash: number, latent: number, token: number): number {
  return hash32(token ^ hash32(latent ^ seedHash))
}

function isBefore(key_a: number, token_a: number, key_b: number, token_b: number): boolean {
  return key_a < key_b || (key_a === key_b && token_a < token_b)
}
