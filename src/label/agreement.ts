/** How well two people's words for one latent agree: their overlap, and a share with its interval. */

/** Words of a text, compared without case. */
const wordsOf = (text: string): Set<string> =>
  new Set(
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu),
  )

/** Jaccard: words in both over words in either, each counted once; undefined where neither text holds a word. */
export function wordOverlap(a: string, b: string): number | undefined {
  const [of_a, of_b] = [wordsOf(a), wordsOf(b)]
  const n_either = of_a.union(of_b).size
  return n_either === 0 ? undefined : of_a.intersection(of_b).size / n_either
}

/** The normal deviate that leaves 2.5 % on either side. */
const Z = 1.959964

/** A share of `n` with its 95 % interval. */
export type Share = { readonly share: number; readonly low: number; readonly high: number }

/**
 * k of n as a share with Wilson's 95 % score interval, which stays within 0 to 1 and holds for few: the shares p with
 * |k/n - p| <= z sqrt(p (1 - p) / n). Undefined for n = 0.
 */
export function wilson(k: number, n: number): Share | undefined {
  if (n === 0) return undefined
  const share = k / n
  const middle = (share + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
  const reach = (Z / (1 + Z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + (Z / (2 * n)) ** 2)
  return { share, low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) }
}
