/** The corpus as a labeller sees it: how common words are, and in how many windows a claim holds by chance. */
import { hash32 } from '../../activations/index.ts'
import { halfOf } from '../examples/activity.ts'
import { atomHolds, atomsAt, type Clause, keyOf } from './claim.ts'
import { type Observation, observeAll, type TokenWindow } from './observe.ts'
import { readWords } from './words.ts'

export type WordBackground = {
  /** Words counted. */
  readonly n_words: number
  /** Lower case. */
  readonly counts: ReadonlyMap<string, number>
  /** Windows looked at. */
  readonly n_windows: number
  /** The windows, by number, in which a clause holds at some token. */
  windowsOf(clause: Clause): Int32Array
}

/** Windows of the length that an index shows with 16 tokens on each side. */
const WINDOW = 33
const MOST_WINDOWS = 1500

/**
 * Counts the words of a corpus and notes what holds in windows of it. Only documents that are not kept for scoring are read, so that
 * a label's score says something of text that had no part in it.
 * @param texts token ids, one array a document, in the order of the corpus.
 * @param pieces [d_vocab]
 */
export function wordBackground(
  texts: Iterable<ArrayLike<number>>,
  pieces: readonly string[],
): WordBackground {
  const counts = new Map<string, number>()
  let n_words = 0
  const windows: TokenWindow[] = []
  let doc = -1
  for (const ids of texts) {
    doc++
    if (halfOf(doc) === 'scoring') continue
    for (const { text, kind } of readWords(ids, pieces)) {
      if (kind !== 'word') continue
      const key = text.toLowerCase()
      counts.set(key, (counts.get(key) ?? 0) + 1)
      n_words++
    }
    for (let start = 0; start + WINDOW <= ids.length; start += WINDOW)
      windows.push({
        ids: Int32Array.from({ length: WINDOW }, (_, i) => ids[start + i]!),
        start,
        doc,
      })
  }
  const order = windows.map((window, i) => ({ window, hash: hash32(i) }))
  order.sort((a, b) => a.hash - b.hash)
  const sample = order.slice(0, MOST_WINDOWS).map(({ window }) => window)
  return { n_words, counts, n_windows: sample.length, windowsOf: lookUp(sample, pieces) }
}

/** Looks clauses up in lists of where each condition holds. */
function lookUp(
  windows: readonly TokenWindow[],
  pieces: readonly string[],
): WordBackground['windowsOf'] {
  const places = new Map<string, Place[]>()
  for (const [window, each] of windows.entries()) {
    const all = observeAll(each, pieces)
    for (const value of all[0]?.context ?? [])
      push(places, keyOf({ kind: 'near', value }), { o: all[0]!, window })
    for (const o of all)
      for (const atom of atomsAt(o, pieces)) push(places, keyOf(atom), { o, window })
  }
  const known = new Map<string, Int32Array>()
  return ({ any, where }) => {
    const single = any.length === 1 && where === undefined ? keyOf(any[0]!) : undefined
    const found = single === undefined ? undefined : known.get(single)
    if (found) return found
    const held = new Set<number>()
    for (const atom of any)
      for (const { o, window } of places.get(keyOf(atom)) ?? [])
        if (where === undefined || where.some((one) => atomHolds(one, o, pieces))) held.add(window)
    const list = Int32Array.from(held)
    if (single !== undefined) known.set(single, list)
    return list
  }
}

type Place = { readonly o: Observation; readonly window: number }

function push(lists: Map<string, Place[]>, key: string, place: Place): void {
  const list = lists.get(key)
  if (list) list.push(place)
  else lists.set(key, [place])
}
