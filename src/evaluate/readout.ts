/**
 * The model's head for evaluation: losses and divergences of targets, without logits ever leaving ONNX Runtime.
 *
 * 1. `logits = softcap(normalized U^T + b)`, `normalized` being `ln_final.hook_normalized`, U the unembedding with the final
 *    norm's gain folded in and b what the norm's bias adds; then log-probabilities.
 * 2. The plain pass is read once: losses, and its probabilities as the reference that spliced passes are compared with.
 * 3. Rows go through in chunks. The reference of a batch is kept where it is small, else made again for every comparison.
 */

import { InferenceSession, Tensor } from '#onnxruntime'
import { type OnnxGraph, type OnnxValue, onnxGraph } from '../formats/index.ts'
import { type Model, padBatch } from '../model/index.ts'
import { addKl, addNegentropy } from './kl.ts'

/** The head of a model. */
export type Head = {
  /** [d_vocab, d_model] */
  readonly unembedding: Float32Array
  readonly d_model: number
  /** [d_vocab], b; absent where the final norm has no bias. */
  readonly bias?: Float32Array
  /** `logits = final_softcap * tanh(logits / final_softcap)`; 0 for none. */
  readonly final_softcap: number
}

/** The head of a model: its bias is what the model says where the residual stream is zero, as LayerNorm makes that zero again. */
export async function headOf(model: Model): Promise<Head> {
  const { d_model, n_layers, norm, final_softcap, pad_token_id } = model.config
  const head = { unembedding: await model.unembedding(), d_model, final_softcap }
  if (norm === 'rms') return head
  const batch = padBatch([Int32Array.of(pad_token_id)])
  const hook = `blocks.${n_layers - 1}.hook_resid_post` as const
  const from = { ...batch, hook, data: new Float32Array(d_model), d: d_model, start: 0 }
  const { logits } = await model.forward(batch, { from, logits: 'last' })
  return { ...head, bias: logits! }
}

/** A plain pass, to compare with. */
export type Reference = {
  /** [n, d_model] */
  readonly normalized: Float32Array
  /** Of each chunk of rows; none where they would take too much memory. */
  readonly chunks: readonly PlainChunk[]
}

type PlainChunk = { readonly p: Float32Array; readonly negentropy: Float32Array }

export type Readout = {
  /** Losses in nats [n] of `targets` [n], predicted from rows of `normalized` [n, d_model]. */
  losses(normalized: Float32Array, targets: Int32Array): Promise<Float32Array>
  /** The same of the plain pass, and the reference for `compare`. */
  plain(
    normalized: Float32Array,
    targets: Int32Array,
  ): Promise<{ losses: Float32Array; reference: Reference }>
  /** Losses [n] of a spliced pass, and how far its predictions are from the reference's, `kl` [n] (`kl.ts`). */
  compare(
    normalized: Float32Array,
    targets: Int32Array,
    reference: Reference,
  ): Promise<{ losses: Float32Array; kl: Float32Array }>
  close(): Promise<void>
}

/** Logits made at a time: 16 MiB of them, enough to fill the cores and few enough to stay near them. */
const CHUNK_LOGITS = 2 ** 22
/** Rows at a time all the same: the unembedding passes once for them (256,000 tokens: 70 rows/s with 16, 160 with 64, 200 with 128). */
const MIN_CHUNK_ROWS = 64

/** Probabilities kept of one batch: 256 MiB. */
const REFERENCE_LOGITS = 2 ** 26

const chunkRows = (d_vocab: number): number =>
  Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_LOGITS / d_vocab))

/** What a readout takes: the unembedding, and what four arrays of logits at a time are beyond those of a small vocabulary. */
export const readoutBytes = ({
  d_model,
  d_vocab,
}: Pick<Model['config'], 'd_model' | 'd_vocab'>): number =>
  4 * d_vocab * d_model + 4 * 4 * Math.max(0, chunkRows(d_vocab) * d_vocab - CHUNK_LOGITS)

/** Opens the head; `threads` as ONNX Runtime's, 0 lets it choose. */
export async function openReadout(head: Head, threads: number = 0): Promise<Readout> {
  const { d_model, unembedding } = head
  const d_vocab = unembedding.length / d_model
  const chunk_rows = chunkRows(d_vocab)
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } }, // the model's sessions need the cores
  }
  const plainSession = await InferenceSession.create(plainGraph(head), options)
  const splicedSession = await InferenceSession.create(splicedGraph(head), options)
  const U = new Tensor('float32', unembedding, [d_vocab, d_model])

  const feedsOf = (normalized: Float32Array, targets: Int32Array) => ({
    U,
    normalized: new Tensor('float32', normalized, [targets.length, d_model]),
    targets: new Tensor('int32', targets, [targets.length, 1]),
  })
  const rowsOf = (normalized: Float32Array, from: number, to: number) =>
    normalized.subarray(from * d_model, to * d_model)
  const run = async <Name extends string>(
    session: InferenceSession,
    feeds: Record<string, Tensor>,
    outputs: readonly Name[],
  ): Promise<Record<Name, Float32Array>> => {
    const result = await session.run(feeds, outputs)
    return Object.fromEntries(
      outputs.map((name) => [name, result[name]!.data as Float32Array]),
    ) as Record<Name, Float32Array>
  }

  return {
    async losses(normalized, targets) {
      const all = new Float32Array(targets.length)
      for (const [from, to] of chunksOf(targets.length, chunk_rows)) {
        const feeds = feedsOf(rowsOf(normalized, from, to), targets.slice(from, to))
        all.set((await run(plainSession, feeds, ['losses'])).losses, from)
      }
      return all
    },

    async plain(normalized, targets) {
      const all = new Float32Array(targets.length)
      const keeps = targets.length * d_vocab <= REFERENCE_LOGITS
      const chunks: PlainChunk[] = []
      for (const [from, to] of chunksOf(targets.length, chunk_rows)) {
        const feeds = feedsOf(rowsOf(normalized, from, to), targets.slice(from, to))
        if (keeps) {
          const { losses, ...chunk } = await run(plainSession, feeds, ['losses', 'p', 'negentropy'])
          all.set(losses, from)
          chunks.push(chunk)
        } else all.set((await run(plainSession, feeds, ['losses'])).losses, from)
      }
      return { losses: all, reference: { normalized, chunks } }
    },

    async compare(normalized, targets, reference) {
      const all = { losses: new Float32Array(targets.length), kl: new Float32Array(targets.length) }
      for (const [from, to] of chunksOf(targets.length, chunk_rows)) {
        const own = targets.slice(from, to)
        const { p, negentropy } =
          reference.chunks[from / chunk_rows] ??
          (await run(plainSession, feedsOf(rowsOf(reference.normalized, from, to), own), [
            'p',
            'negentropy',
          ]))
        const feeds = {
          ...feedsOf(rowsOf(normalized, from, to), own),
          p: new Tensor('float32', p, [own.length, d_vocab]),
          negentropy: new Tensor('float32', negentropy, [own.length, 1]),
        }
        const { losses, kl } = await run(splicedSession, feeds, ['losses', 'kl'])
        all.losses.set(losses, from)
        all.kl.set(kl, from)
      }
      return all
    },

    async close() {
      await Promise.all([plainSession.release(), splicedSession.release()])
    },
  }
}

function plainGraph(head: Head): Uint8Array {
  const graph = onnxGraph('plain readout')
  const log_p = addLosses(graph, head)
  const p = graph.node('Exp', [log_p])
  graph.output('negentropy', addNegentropy(graph, p, log_p), 'F32', ['n', 1])
  graph.output('p', p, 'F32', ['n', 'd_vocab'])
  return graph.finish()
}

function splicedGraph(head: Head): Uint8Array {
  const graph = onnxGraph('spliced readout')
  const p = graph.input('p', 'F32', ['n', 'd_vocab'])
  const negentropy = graph.input('negentropy', 'F32', ['n', 1])
  graph.output('kl', addKl(graph, addLosses(graph, head), p, negentropy), 'F32', ['n', 1])
  return graph.finish()
}

/** Adds the head and the output `losses` [n, 1]; @returns log-probabilities [n, d_vocab]. */
function addLosses(graph: OnnxGraph, { d_model, final_softcap, bias }: Head): OnnxValue {
  const normalized = graph.input('normalized', 'F32', ['n', d_model])
  const U = graph.input('U', 'F32', ['d_vocab', d_model])
  const targets = graph.input('targets', 'I32', ['n', 1])
  const scale = final_softcap === 0 ? 1 : final_softcap
  const constant = (name: string, shape: readonly number[], data: Float32Array): OnnxValue =>
    graph.constant(name, 'F32', shape, new Uint8Array(data.buffer))
  const b =
    bias === undefined
      ? []
      : [
          constant(
            'b',
            [bias.length],
            bias.map((value) => value / scale),
          ),
        ]
  const scaled = graph.node('Gemm', [normalized, U, ...b], {
    attributes: { transB: 1, alpha: { float: 1 / scale } },
  })
  const cap = (): OnnxValue => constant('final_softcap', [], Float32Array.of(scale))
  const logits =
    final_softcap === 0 ? scaled : graph.node('Mul', [graph.node('Tanh', [scaled]), cap()])
  const log_p = graph.node('LogSoftmax', [logits], { attributes: { axis: 1 } })
  const chosen = graph.node('GatherElements', [log_p, targets], { attributes: { axis: 1 } })
  graph.output('losses', graph.node('Neg', [chosen]), 'F32', ['n', 1])
  return log_p
}

/** Half-open ranges of at most `step` rows. */
function* chunksOf(n_rows: number, step: number): Iterable<[number, number]> {
  for (let from = 0; from < n_rows; from += step) yield [from, Math.min(n_rows, from + step)]
}
