/**
 * A random sample of every latent's peaks at every strength, from which examples of activation intervals are drawn.
 *
 * Every peak has a random priority, a hash of (seed, latent, token), and each bin of strength keeps the peaks of least
 * priority: a uniform sample that does not depend on the order of the corpus. Bins are those of `bins.ts`, fewer and wider:
 * when the top doubles, two bins' samples make the sample of both.
 */

import { hash32 } from '../activations/index.ts'
import { binOf, topAbove } from './bins.ts'
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

/** Bins an interval is made of, at most: with fewer, intervals would be less equal. */
const BINS_PER_INTERVAL = 4

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
  const { token, value, key } = slots
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

  const put = (latent: number, peak: Peak, priority: number) => {
    const bin = binIn(latent, peak.value)
    if (count[bin]! < per_interval) {
      slots.put(bin * per_interval + count[bin]!++, peak, priority)
    } else {
      const last = lastOf(bin)
      if (!isBefore(priority, peak.token, key[last]!, token[last]!)) return
      slots.put(last, peak, priority)
    }
    if (count[bin] === per_interval) limit[bin] = key[lastOf(bin)]!
  }

  const raise = (latent: number, act: number) => {
    const held: { peak: Peak; priority: number }[] = []
    for (let bin = latent * n_bins; bin < (latent + 1) * n_bins; bin++) {
      for (let s = bin * per_interval; s < bin * per_interval + count[bin]!; s++) {
        const peak = { token: token[s]!, value: value[s]!, window: slots.window(s).slice() }
        held.push({ peak, priority: key[s]! })
      }
      count[bin] = 0
      limit[bin] = MAX_PRIORITY
    }
    tops[latent] = topAbove(act)
    for (const { peak, priority } of held) put(latent, peak, priority)
  }

  return {
    slots,
    wants: (latent, at, act) =>
      act >= tops[latent]! || priorityOf(seedHash, latent, at) <= limit[binIn(latent, act)]!,
    offer(latent, peak) {
      if (peak.value >= tops[latent]!) raise(latent, peak.value)
      put(latent, peak, priorityOf(seedHash, latent, peak.token))
    },
    interval(latent, interval) {
      const used = count.subarray(latent * n_bins, (latent + 1) * n_bins)
      const n_used = used.findLastIndex((n) => n > 0) + 1
      const found: number[] = []
      for (let b = 0; b < n_used; b++) {
        if (n_intervals - Math.floor((b * n_intervals) / n_used) !== interval) continue
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
