/** Which of a latent's stored examples an explainer sees, and which are kept from it for scoring. */
import type { LatentExample, LatentRecord } from '../../latents/index.ts'

/** Of each activation interval below the top so many are shown. */
const N_WEAKER = 1

/**
 * Splits by rank, so that both sides hold strong and weak ones: of the top examples every other is shown, the strongest first; of
 * each lower interval the strongest. What shares text with a shown one is on neither side.
 */
export function splitExamples(record: LatentRecord): {
  shown: LatentExample[]
  held_out: LatentExample[]
} {
  const shown: LatentExample[] = []
  const rest: LatentExample[] = []
  const n_seen = new Map<number, number>()
  for (const example of record.examples) {
    const rank = n_seen.get(example.interval) ?? 0
    n_seen.set(example.interval, rank + 1)
    const is_shown = example.interval === 0 ? rank % 2 === 0 : rank < N_WEAKER
    ;(is_shown ? shown : rest).push(example)
  }
  return { shown, held_out: rest.filter((e) => !shown.some((other) => overlap(e, other))) }
}

/** Whether two windows share tokens of a document. */
export function overlap(a: LatentExample, b: LatentExample): boolean {
  return a.doc === b.doc && a.start < b.start + b.ids.length && b.start < a.start + a.ids.length
}
