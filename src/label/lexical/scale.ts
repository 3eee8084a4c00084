/** How much of what a latent does a claim covers, and what it costs in texts where the latent is silent. */
import type { LatentRecord } from '../../latents/index.ts'
import type { WordBackground } from './background.ts'
import { type Clause, clauseHolds, type LexicalClaim } from './claim.ts'
import type { Sample } from './observe.ts'

export type Scale = {
  /** [samples] sum 1. The fifths of the strongest activation weigh alike, however many samples each has. */
  readonly weights: readonly number[]
  /** Windows of other text that were looked at; 0 where none are known. */
  readonly n_windows: number
  /** Weight of the samples at which a claim holds. */
  covered(claim: LexicalClaim): number
  /** The windows of other text in which a clause holds. */
  windowsOf(clause: Clause): Int32Array
  /** Their share; 0 where none are known. */
  chance(claim: LexicalClaim): number
}

const N_FIFTHS = 5

export function scaleOf(
  samples: readonly Sample[],
  { max_act }: LatentRecord,
  { pieces, background }: { pieces: readonly string[]; background?: WordBackground | undefined },
): Scale {
  const fifths = samples.map(({ act }) =>
    Math.min(N_FIFTHS - 1, Math.max(0, Math.floor(N_FIFTHS * (1 - act / max_act)))),
  )
  const counts = new Map<number, number>()
  for (const fifth of fifths) counts.set(fifth, (counts.get(fifth) ?? 0) + 1)
  const weights = fifths.map((fifth) => 1 / counts.size / counts.get(fifth)!)
  const n_windows = background?.n_windows ?? 0
  const windowsOf = (clause: Clause) => background?.windowsOf(clause) ?? new Int32Array(0)
  return {
    weights,
    n_windows,
    windowsOf,
    covered: (claim) =>
      samples.reduce(
        (sum, { o }, i) =>
          claim.some((clause) => clauseHolds(clause, o, pieces)) ? sum + weights[i]! : sum,
        0,
      ),
    chance(claim) {
      if (n_windows === 0) return 0
      if (claim.length === 1) return windowsOf(claim[0]!).length / n_windows
      const held = new Set<number>()
      for (const clause of claim) for (const window of windowsOf(clause)) held.add(window)
      return held.size / n_windows
    },
  }
}
