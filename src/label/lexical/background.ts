/** How common words are in the corpus, to tell what is special about a latent's contexts. */
import { readWords } from './words.ts'

export type WordBackground = {
  /** Words counted. */
  readonly n_words: number
  /** Lower case. */
  readonly counts: ReadonlyMap<string, number>
}

/**
 * Counts the words of a corpus.
 * @param texts token ids, one array a document (or any large sample of windows).
 * @param pieces [d_vocab]
 */
export function wordBackground(
  texts: Iterable<ArrayLike<number>>,
  pieces: readonly string[],
): WordBackground {
  const counts = new Map<string, number>()
  let n_words = 0
  for (const ids of texts) {
    for (const { text, kind } of readWords(ids, pieces)) {
      if (kind !== 'word') continue
      const key = text.toLowerCase()
      counts.set(key, (counts.get(key) ?? 0) + 1)
      n_words++
    }
  }
  return { n_words, counts }
}
