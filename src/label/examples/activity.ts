/**
 * Where every latent of an SAE fires in a stretch of text, exactly: what "silent" can be said from.
 *
 * Documents go to one of two halves by a hash of their place in the corpus. Near misses for explainers come from one half, texts for
 * scoring from the other, so that no scorer asks about a text that an explainer was shown.
 */
import {
  capture,
  hash32,
  partOf,
  planCapture,
  selectDocuments,
  specialIds,
  type TokenCorpus,
  textStart,
} from '../../activations/index.ts'
import type { LatentExample } from '../../latents/index.ts'
import type { Model } from '../../model/index.ts'
import { checkFits, type SaeRunner } from '../../sae/index.ts'

/** Which documents: those that explainers may see more of, or those that scorers ask about. */
export type Half = 'explaining' | 'scoring'

/** The activations of one SAE over some documents of a corpus. */
export type Activity = {
  /** Only the documents read. */
  readonly corpus: TokenCorpus
  /** [n_docs] place of each in the corpus that it was chosen from */
  readonly doc_of: Int32Array
  /** Tokens that were counted. */
  readonly n_tokens: number
  /** Where a latent fires: indices into corpus.ids, ascending, and its activation there. */
  of(latent: number): { readonly token: Int32Array; readonly value: Float32Array }
}

/** The half that a document belongs to, by its place in the corpus. */
export const halfOf = (doc: number): Half =>
  (hash32(doc + 1) & 1) === 1 ? 'scoring' : 'explaining'

/** Documents of one half in an order of no meaning, until they hold `n_tokens`; in the order of the corpus. */
export function chooseDocuments(
  corpus: TokenCorpus,
  { half, n_tokens }: { half: Half; n_tokens: number },
): { corpus: TokenCorpus; doc_of: Int32Array } {
  const n_docs = corpus.doc_start.length - 1
  const order = Array.from({ length: n_docs }, (_, doc) => ({ doc, hash: hash32(doc + 1) }))
    .filter(({ doc }) => halfOf(doc) === half)
    .sort((a, b) => a.hash - b.hash)
  const chosen = new Set<number>()
  let held = 0
  for (const { doc } of order) {
    if (held >= n_tokens) break
    chosen.add(doc)
    held += corpus.doc_start[doc + 1]! - textStart(corpus, doc)
  }
  return {
    corpus: selectDocuments(corpus, (doc) => chosen.has(doc)),
    doc_of: Int32Array.from(chosen).sort(),
  }
}

/** Where latents of one SAE fire, as it was met. */
type Part = { token: Int32Array; latent: Int32Array; value: Float32Array }

/**
 * Runs the model once over documents of one half and keeps every activation of the SAEs: 8 bytes each, L0 of them a token and SAE.
 * @returns one each, in their order.
 * @throws TypeError or RangeError if an SAE does not fit the model, or as `planCapture`.
 */
export async function readActivities(
  model: Model,
  runners: readonly SaeRunner[],
  whole: TokenCorpus,
  options: {
    half: Half
    n_tokens: number
    signal?: AbortSignal
    onProgress?: (done: number, of: number) => void
  },
): Promise<Activity[]> {
  for (const { sae } of runners) checkFits(sae, model)
  const { corpus, doc_of } = chooseDocuments(whole, options)
  const { n_tokens } = planCapture(corpus, specialIds(model), {})
  const stop = options.signal === undefined ? {} : { signal: options.signal }
  const hooks = [...new Set(runners.map(({ sae }) => sae.hook_name))]
  const parts = runners.map((): Part[] => [])
  let done = 0
  for await (const batch of capture(model, corpus, { hooks, ...stop })) {
    for (const [r, runner] of runners.entries()) {
      const acts = await runner.encode(batch.acts.get(runner.sae.hook_name)!)
      const n = acts.row_start[acts.n]!
      const token = new Int32Array(n)
      for (let row = 0; row < acts.n; row++)
        token.fill(batch.token_index[row]!, acts.row_start[row], acts.row_start[row + 1])
      const latent = Int32Array.from(acts.index.subarray(0, n))
      parts[r]!.push({ token, latent, value: acts.value.slice(0, n) })
    }
    done += batch.n_tokens
    options.onProgress?.(done, n_tokens)
  }
  return runners.map(({ sae }, r) => {
    const of = byLatent(parts[r]!, sae.d_sae)
    // What is sorted need not be held twice.
    parts[r] = []
    return { corpus, doc_of, n_tokens, of }
  })
}

/** Sorts activations by latent, and looks one up. */
function byLatent(parts: readonly Part[], d_sae: number): Activity['of'] {
  const first = new Int32Array(d_sae + 1)
  for (const { latent } of parts) for (const l of latent) first[l + 1]!++
  for (let l = 0; l < d_sae; l++) first[l + 1]! += first[l]!
  const next = first.slice()
  const tokens = new Int32Array(first[d_sae]!)
  const values = new Float32Array(tokens.length)
  for (const { token, latent, value } of parts)
    for (const [e, l] of latent.entries()) {
      const at = next[l]!++
      tokens[at] = token[e]!
      values[at] = value[e]!
    }
  return (latent) =>
    inOrder(
      tokens.subarray(first[latent], first[latent + 1]),
      values.subarray(first[latent], first[latent + 1]),
    )
}

/** Batches run longest document first, so a latent's entries are not yet in the order of the text. */
function inOrder(token: Int32Array, value: Float32Array) {
  const order = Array.from(token.keys()).sort((a, b) => token[a]! - token[b]!)
  return {
    token: Int32Array.from(order, (e) => token[e]!),
    value: Float32Array.from(order, (e) => value[e]!),
  }
}

/**
 * The window of +-context tokens around a token, with a latent's activations in it.
 * @param firing as `Activity.of`
 */
export function windowAround(
  { corpus, doc_of }: Activity,
  firing: { readonly token: Int32Array; readonly value: Float32Array },
  at: number,
  { context, interval }: { context: number; interval: number },
): LatentExample {
  const doc = partOf(corpus.doc_start, at)
  const start = textStart(corpus, doc)
  const from = Math.max(start, at - context)
  const to = Math.min(corpus.doc_start[doc + 1]!, at + context + 1)
  const values = new Float32Array(to - from)
  for (let e = firstFrom(firing.token, from); e < firing.token.length; e++) {
    if (firing.token[e]! >= to) break
    values[firing.token[e]! - from] = firing.value[e]!
  }
  return {
    interval,
    doc: doc_of[doc]!,
    start: from - corpus.doc_start[doc]!,
    peak: at - from,
    ids: corpus.ids.slice(from, to),
    values,
  }
}

/** The first place in an ascending array that holds at least `least`. */
function firstFrom(ascending: Int32Array, least: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! < least) low = middle + 1
    else high = middle
  }
  return low
}

/** All of its tokens are silent. */
export const isSilent = ({ values }: LatentExample): boolean => values.every((act) => act === 0)
