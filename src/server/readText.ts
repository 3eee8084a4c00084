/** A text as a model reads it, and what it predicts: what the microscope, the depth profile and the test box share. */
import type { TokenView } from '../api/index.ts'
import { showPiece } from '../jobs/index.ts'
import type { Model, Tokenizer } from '../model/index.ts'

/** Logits are [n_tokens, d_vocab] floats; this many at most (1 GiB) bounds the text of a large vocabulary. */
const MAX_LOGITS = 2 ** 28
const N_PREDICTIONS = 5

/** @throws TypeError if the model has no tokenizer. */
export function requireTokenizer(model: Model): Tokenizer {
  if (!model.tokenizer)
    throw new TypeError(
      `${model.name} has no tokenizer.json, so text cannot be read; put one beside its config.json`,
    )
  return model.tokenizer
}

/** The ids of a text, BOS in front, cut to what the model reads; `left_out` says how many were cut off. */
export function tokensOf(
  model: Model,
  tokenizer: Tokenizer,
  text: string,
): { ids: Int32Array; left_out: string[] } {
  const ids = tokenizer.tokenize(text)
  const { n_ctx, d_vocab } = model.config
  const most = Math.min(n_ctx, Math.floor(MAX_LOGITS / d_vocab))
  if (ids.length <= most) return { ids, left_out: [] }
  return {
    ids: ids.slice(0, most),
    left_out: [
      `${ids.length - most} tokens past the first ${most}${most === n_ctx ? ` (${model.name} reads at most ${n_ctx})` : ''}`,
    ],
  }
}

/** Tokens as the page shows them. */
export const viewTokens = (tokenizer: Tokenizer, ids: Int32Array): TokenView[] =>
  [...ids].map((id) => ({
    id,
    piece: showPiece(tokenizer.pieces[id] ?? ''),
    special: tokenizer.special_ids.has(id),
  }))

/** What logits say of the next token. */
export type Prediction = {
  /** The most probable ids, most probable first. */
  readonly top: readonly number[]
  /** Log-probability of an id, in nats. */
  readonly logprob: (id: number) => number
}

/** Reads one row of logits [d_vocab]. */
function readLogits(row: Float32Array): Prediction {
  const top: number[] = []
  let max = Number.NEGATIVE_INFINITY
  for (let id = 0; id < row.length; id++) {
    const value = row[id]!
    if (value > max) max = value
    if (top.length === N_PREDICTIONS && value <= row[top.at(-1)!]!) continue
    let place = top.length
    while (place > 0 && row[top[place - 1]!]! < value) place--
    top.splice(place, 0, id)
    if (top.length > N_PREDICTIONS) top.pop()
  }
  let sum = 0
  for (let id = 0; id < row.length; id++) sum += Math.exp(row[id]! - max)
  const log_sum = max + Math.log(sum)
  return { top, logprob: (id) => row[id]! - log_sum }
}

/** The rows of logits [n, d_vocab], each read. */
export const readAllLogits = (logits: Float32Array, d_vocab: number): Prediction[] =>
  Array.from({ length: logits.length / d_vocab }, (_, row) =>
    readLogits(logits.subarray(row * d_vocab, (row + 1) * d_vocab)),
  )

/** A prediction as the page shows it. */
export const viewPrediction = (
  { top, logprob }: Prediction,
  tokenizer: Tokenizer,
): { piece: string; p: number }[] =>
  top.map((id) => ({
    piece: showPiece(tokenizer.pieces[id] ?? ''),
    p: Math.exp(logprob(id)),
  }))
