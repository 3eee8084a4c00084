/**
 * A latent's stored examples run through the model again: which latents fire with it, and what ablating it does to the loss.
 *
 * 1. The passages, BOS in front where the tokenizer has one, as one padded batch; its tokens go through the SAE.
 * 2. Latents that are on where this one is: share = P(other on | this on) in the passages, lift = share / the other's density in
 *    the corpus. Ranked by share * ln(lift), nats: what knowing that this one is on tells of the other, so that neither rare
 *    chance companions nor latents that are on everywhere come first.
 * 3. The same batch with the latent ablated: change of the next-token loss at the peak and after it, an example each, mean and
 *    standard error over examples.
 *
 * The passages are what the index keeps: the strongest places and samples of each interval, cut to a window. They are no fair
 * sample of the corpus, and the text before the window is gone: how many peaks still fire is told.
 */
import type { ExampleRun } from '../api/index.ts'
import { type Model, padBatch, type TokenBatch } from '../model/index.ts'
import type { SaeRunner, SparseActs } from '../sae/index.ts'
import { interventionEdits, promptLayout } from '../steer/index.ts'

/** Companions on fewer tokens than this are chance. */
const LEAST_TOGETHER = 3
const N_COMPANIONS = 12

/** One stored passage. */
export type Passage = { readonly ids: ArrayLike<number>; readonly peak: number }

/** What the run finds; latents by index, names are added by the server's thread. */
export type ExampleRunFound = Omit<ExampleRun, 'companions'> & {
  readonly companions: readonly Omit<ExampleRun['companions'][number], 'sae' | 'hook'>[]
}

/**
 * Runs the examples of a latent.
 * @param density of every latent in the corpus [d_sae].
 * @throws RangeError if there is no passage or no such latent.
 */
export async function runExamples(
  model: Model,
  runner: SaeRunner,
  options: {
    latent: number
    passages: readonly Passage[]
    density: Float32Array
    signal?: AbortSignal
  },
): Promise<ExampleRunFound> {
  const { latent, passages, density } = options
  const { sae } = runner
  if (latent >= sae.d_sae)
    throw new RangeError(`latent ${latent}: ${sae.hook_name} has latents 0 to ${sae.d_sae - 1}`)
  if (passages.length === 0)
    throw new RangeError(`latent ${latent} has no examples: it did not fire where it was indexed`)
  const bos = model.tokenizer?.bos
  const front = bos === undefined ? [] : [bos]
  const batch = padBatch(passages.map(({ ids }) => Int32Array.from([...front, ...Array.from(ids)])))
  const peaks = passages.map(({ peak }) => peak + front.length)
  const stop = options.signal ? { signal: options.signal } : {}
  const plain = await model.forward(batch, { hooks: [sae.hook_name], loss: true, ...stop })
  const tokens = realTokens(batch, front.length)
  const acts = await runner.encode(rowsOf(plain.acts.get(sae.hook_name)!.data, tokens, sae.d_in))

  const on = tokensWith(acts, latent)
  const firing = new Set(on.map((row) => tokens[row]!))
  const n_peaks_on = peaks.filter((peak, seq) => firing.has(seq * batch.seq_len + peak)).length
  const found = {
    n_examples: passages.length,
    n_tokens: tokens.length,
    n_active: on.length,
    n_peaks_on,
    companions: companionsOf(acts, on, latent, density),
  }
  try {
    const { edits, reads } = interventionEdits(
      [{ sae, latent, mode: 'ablate', strength: 0, max_act: 1 }],
      promptLayout(model, batch.ids),
    )
    const without = await model.forward(batch, { edits, reads, loss: true, ...stop })
    return {
      ...found,
      ablation: lossChange(batch, peaks, plain.next_token_loss!, without.next_token_loss!),
    }
  } catch (error) {
    // A site that can be read only, or is read after it is written, cannot be ablated.
    if (!(error instanceof RangeError)) throw error
    return { ...found, ablation_absent: error.message }
  }
}

/** Places in the batch of tokens that are neither BOS nor padding. */
function realTokens({ lengths, seq_len }: TokenBatch, first: number): Int32Array {
  const places: number[] = []
  for (const [seq, length] of lengths.entries())
    for (let t = first; t < length; t++) places.push(seq * seq_len + t)
  return Int32Array.from(places)
}

function rowsOf(data: Float32Array, rows: Int32Array, d: number): Float32Array {
  const taken = new Float32Array(rows.length * d)
  for (const [i, row] of rows.entries()) taken.set(data.subarray(row * d, (row + 1) * d), i * d)
  return taken
}

/** Rows on which a latent is on. */
function tokensWith({ n, row_start, index }: SparseActs, latent: number): number[] {
  const rows: number[] = []
  for (let row = 0; row < n; row++)
    if (index.subarray(row_start[row]!, row_start[row + 1]!).includes(latent)) rows.push(row)
  return rows
}

function companionsOf(
  { row_start, index }: SparseActs,
  rows: readonly number[],
  latent: number,
  density: Float32Array,
): ExampleRunFound['companions'] {
  const together = new Map<number, number>()
  for (const row of rows)
    for (const other of index.subarray(row_start[row]!, row_start[row + 1]!))
      if (other !== latent) together.set(other, (together.get(other) ?? 0) + 1)
  return [...together]
    .filter(([other, n]) => n >= LEAST_TOGETHER && density[other]! > 0)
    .map(([other, n_both]) => {
      const share = n_both / rows.length
      const lift = share / density[other]!
      return { index: other, n_both, share, lift, nats: share * Math.log(lift) }
    })
    .filter(({ lift }) => lift > 1)
    .sort((a, b) => b.nats - a.nats || a.index - b.index)
    .slice(0, N_COMPANIONS)
}

/**
 * Ablated less plain, of predicting the token after the peak, and the mean of those after it.
 * @param before [n_seqs, seq_len - 1], entry t is the loss of token t + 1.
 */
function lossChange(
  { lengths, seq_len }: TokenBatch,
  peaks: readonly number[],
  before: Float32Array,
  after: Float32Array,
): NonNullable<ExampleRun['ablation']> {
  const at: number[] = []
  const later: number[] = []
  for (const [seq, peak] of peaks.entries()) {
    const changes: number[] = []
    for (let t = peak; t < lengths[seq]! - 1; t++) {
      const place = seq * (seq_len - 1) + t
      changes.push(after[place]! - before[place]!)
    }
    const [first, ...rest] = changes
    if (first !== undefined) at.push(first)
    if (rest.length > 0) later.push(rest.reduce((sum, change) => sum + change, 0) / rest.length)
  }
  return { ...meanOf('at_peak', at), ...meanOf('after_peak', later) }
}

/** Mean and standard error of it, `sqrt(sum (x - mean)^2 / (n - 1) / n)`; nothing without values, no error of one. */
function meanOf<Name extends 'at_peak' | 'after_peak'>(
  name: Name,
  values: readonly number[],
): { [K in Name]?: { mean: number; n: number; standard_error?: number } } {
  const n = values.length
  if (n === 0) return {}
  const mean = values.reduce((sum, x) => sum + x, 0) / n
  const square = values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  const error = n > 1 ? { standard_error: Math.sqrt(square / (n - 1) / n) } : {}
  return { [name]: { mean, n, ...error } } as { [K in Name]: { mean: number; n: number } }
}
