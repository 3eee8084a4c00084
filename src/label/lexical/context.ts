/** Words that stand around a latent's peaks far more often than around any token. */
import type { WordBackground } from './background.ts'
import { FUNCTION_WORDS } from './classes.ts'
import type { Observation } from './observe.ts'

/** Words shown at most. */
const N_WORDS = 3
/** A context word stands in at least this share of examples, from at least this many documents ... */
const LEAST_SHARE = 0.2
const LEAST_DOCS = 3
/** ... and this many times as often as chance would put it there. */
const LEAST_LIFT = 4

/**
 * Words of the contexts by log-likelihood ratio `k ln(k / expected)`, strongest first, at most three; `expected` is the number of
 * windows that hold the word by chance, n (1 - (1 - p)^m) with its share p of the background and m distinct words a window.
 * Without a background only content words count, and nothing is known of chance: they must stand in twice as many examples.
 */
export function contextWords(
  observations: readonly Observation[],
  background: WordBackground | undefined,
): string[] {
  const n = observations.length
  const seen = new Map<string, { n: number; docs: Set<number> }>()
  let n_distinct = 0
  for (const { context, doc, lower } of observations) {
    n_distinct += context.size
    for (const word of context) {
      if (word === lower) continue
      const entry = seen.get(word) ?? { n: 0, docs: new Set<number>() }
      entry.n++
      entry.docs.add(doc)
      seen.set(word, entry)
    }
  }
  const per_window = n_distinct / Math.max(n, 1)
  const ranked: { word: string; strength: number }[] = []
  for (const [word, { n: k, docs }] of seen) {
    if (FUNCTION_WORDS.has(word) || word.length < 3 || docs.size < LEAST_DOCS) continue
    if (background === undefined) {
      if (k >= 2 * LEAST_SHARE * n) ranked.push({ word, strength: k })
      continue
    }
    const p = ((background.counts.get(word) ?? 0) + 1) / (background.n_words + 1)
    const expected = n * (1 - (1 - p) ** per_window)
    if (k >= LEAST_SHARE * n && k >= LEAST_LIFT * expected)
      ranked.push({ word, strength: k * Math.log(k / expected) })
  }
  return ranked
    .sort((a, b) => b.strength - a.strength || (a.word < b.word ? -1 : 1))
    .slice(0, N_WORDS)
    .map(({ word }) => word)
}
