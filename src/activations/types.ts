/** Text as documents, documents as tokens, tokens as activations. */

import type { HookName } from '../model/index.ts'

/** Tokenized documents; they never share attention. */
export type TokenCorpus = {
  /** The id that leads every document; undefined where the tokenizer puts none there. */
  readonly bos: number | undefined
  /** All documents' ids one after another. */
  readonly ids: Int32Array
  /** [n_docs + 1]: document i owns ids[doc_start[i] .. doc_start[i + 1]]. At most n_ctx tokens each: longer texts are cut into several. */
  readonly doc_start: Int32Array
  /** [n_docs]: index of the text that each document was cut from; absent where every document is a text of its own. */
  readonly doc_text?: Int32Array
  /** Hash (hex) of ids and borders, for manifests. */
  readonly hash: string
  /** What was read: file names with their number of documents and tokens. */
  readonly files: readonly { name: string; n_docs: number; n_tokens: number }[]
}

/** Activations of real tokens (specials left out) at the asked sites, in the order of `planCapture`. */
export type CapturedBatch = {
  readonly n_tokens: number
  /** Per site [n_tokens, d]. */
  readonly acts: ReadonlyMap<HookName, Float32Array>
  /** [n_tokens]: index of each row's token in TokenCorpus.ids; a document's rows follow each other, ascending. */
  readonly token_index: Int32Array
  /** How many special tokens were left out of this batch. */
  readonly n_excluded: number
}

/** A site's activations on their way to training. */
export type TrainingBatch = {
  readonly n_tokens: number
  /** Per site [n_tokens, d], raw scale. */
  readonly acts: ReadonlyMap<HookName, Float32Array>
}

/** Shuffled batches with a position that can be saved and taken up again. */
export interface BatchSource {
  readonly hooks: readonly HookName[]
  width(hook: HookName): number
  /** Per site: sqrt(mean ||x||^2), the scale that brings inputs to unit mean square norm. */
  norm(hook: HookName): number
  readonly n_tokens: number
  /** Hash (hex) of what is in it: model, text and sites. */
  readonly hash: string
  /**
   * Endless: epochs follow each other, each with its own shuffle made from `seed`. Deterministic in (seed, first_batch, batch_size).
   * A batch's arrays may be filled anew once the next batch is asked for.
   */
  batches(options: {
    batch_size: number
    seed: number
    first_batch?: number
    signal?: AbortSignal
  }): AsyncIterable<TrainingBatch>
}
