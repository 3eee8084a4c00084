/** Latents that explain themselves: those that fire on a class of whole words, such as names or months. */
import type { LatentList } from '../../../src/api/index.ts'

/** A latent of a list. */
export type ListedLatent = LatentList['latents'][number]

/** Rarer ones may be of one document, denser ones mean little by themselves. */
const densities = { min: 1e-4, max: 2e-2 }
const leastWords = 2

/** The different whole words among the tokens that a latent fires on most: begun by a space, of four letters or more. */
export function wordsOf(latent: Pick<ListedLatent, 'top_tokens'>): string[] {
  const words = latent.top_tokens.filter((piece) => /^ \p{L}{4,}$/u.test(piece))
  return [...new Map(words.map((word) => [word.toLowerCase(), word.trim()])).values()]
}

/**
 * Labelled latents of at least two whole words, those of most words first and the stronger first among equals; of
 * several with a word in common the first. Doubtful labels (perhaps, mixed) and parts of words are left to those who look.
 */
export function wordLatents(latents: readonly ListedLatent[], most: number): ListedLatent[] {
  const known = latents
    .filter(({ label, density = 0 }) => label && !/^(perhaps|mixed)|…/.test(label) && fits(density))
    .map((latent) => ({ latent, words: wordsOf(latent) }))
    .filter(({ words }) => words.length >= leastWords)
    .sort(
      (a, b) =>
        b.words.length - a.words.length || (b.latent.max_act ?? 0) - (a.latent.max_act ?? 0),
    )
  const seen = new Set<string>()
  const chosen: ListedLatent[] = []
  for (const { latent, words } of known) {
    if (chosen.length === most) break
    const lower = words.map((word) => word.toLowerCase())
    if (lower.some((word) => seen.has(word))) continue
    for (const word of lower) seen.add(word)
    chosen.push(latent)
  }
  return chosen
}

/** The latents that raise two or more of the words they fire on, those that raise most of them first. */
export function raisers(
  candidates: readonly {
    readonly latent: ListedLatent
    readonly raised: readonly { readonly piece: string }[]
  }[],
): ListedLatent[] {
  return candidates
    .map(({ latent, raised }) => {
      const words = new Set(wordsOf(latent).map((word) => word.toLowerCase()))
      const n = raised.filter(({ piece }) => words.has(piece.trim().toLowerCase())).length
      return { latent, n }
    })
    .filter(({ n }) => n >= 2)
    .sort((a, b) => b.n - a.n)
    .map(({ latent }) => latent)
}

const fits = (density: number) => density >= densities.min && density <= densities.max
