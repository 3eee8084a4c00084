/** The text around a token: what an example shows, and when two examples show the same. */

import { partOf, type TokenCorpus, textStart } from '../activations/index.ts'

/** The stretch of text around a token: its document's tokens within +-context, the BOS left out. */
export function windowOf(
  corpus: TokenCorpus,
  token_end: number,
  context: number,
  token: number,
): { doc: number; from: number; to: number } {
  const doc = partOf(corpus.doc_start, token)
  return {
    doc,
    from: Math.max(textStart(corpus, doc), token - context),
    to: Math.min(corpus.doc_start[doc + 1]!, token_end, token + context + 1),
  }
}

/** Texts around tokens are equal if their ids are and the peak stands at the same place. */
export function textWindows(corpus: TokenCorpus, token_end: number, context: number) {
  const { ids } = corpus
  return {
    hash(token: number): number {
      const { from, to } = windowOf(corpus, token_end, context, token)
      let hash = 0x811c9dc5 ^ (token - from) // FNV-1a over ids
      for (let i = from; i < to; i++) hash = Math.imul(hash ^ ids[i]!, 0x01000193)
      return hash >>> 0
    },
    equal(a: number, b: number): boolean {
      const x = windowOf(corpus, token_end, context, a)
      const y = windowOf(corpus, token_end, context, b)
      if (x.to - x.from !== y.to - y.from || a - x.from !== b - y.from) return false
      for (let i = 0; i < x.to - x.from; i++) if (ids[x.from + i] !== ids[y.from + i]) return false
      return true
    },
  }
}
