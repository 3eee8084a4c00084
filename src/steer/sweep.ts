/** Dose and response: the same interventions at a grid of strengths, and what each does to the text. */

import { generate, type HookName, type Model, padBatch } from '../model/index.ts'
import { type Band, bandsOf, type Measure, repetition, type Verdict, verdictOf } from './band.ts'
import { type Intervention, interventionEdits, openEncoder } from './interventions.ts'
import { promptOf } from './prompt.ts'
import { isEnd, readAnswer, type SteerOptions } from './steer.ts'
import { atStrength, leadOf, SWEEP_STRENGTHS } from './strengths.ts'

/** What was measured at one strength. */
export type SweepPoint = Measure & {
  readonly strength: number
  /**
   * Nats a token: mean of D_KL(steered || default) of the next-token distributions over the tokens of the default's texts, which
   * are the same at every strength. Absent where those texts are empty.
   */
  readonly kl?: number
  readonly verdict: Verdict
}

export type SweepEvent =
  /** Of the tokens that will be generated if no text ends early; one that does counts as whole. */
  | { readonly type: 'progress'; readonly n_done: number; readonly n_total: number }
  /** The model as it is. */
  | ({ readonly type: 'default' } & Measure)
  | ({ readonly type: 'point' } & SweepPoint)
  | { readonly type: 'done'; readonly bands: Band[] }

export type SweepOptions = Omit<SteerOptions, 'instruction'> & {
  /** Default SWEEP_STRENGTHS. They are taken in ascending order, each once. */
  readonly strengths?: readonly number[]
  /** Texts a strength, from seeds `seed`, `seed + 1`, ...: at least 2, for their standard error (default 4). */
  readonly n_samples?: number
}

/**
 * For the model as it is, then for every strength:
 * 1. generates the samples, strengths sharing their seeds;
 * 2. reads each with the model as it is: loss of its tokens, values of the latents;
 * 3. reads the default's samples both ways: divergence of the predictions;
 * 4. compares with the model as it is: `verdictOf`.
 * Of a chat it goes on from the default's answers.
 * @throws as `steer`; RangeError if the strengths or the number of samples are none that can be swept, or the texts are not drawn.
 */
export async function* sweep(
  model: Model,
  {
    interventions,
    strengths = SWEEP_STRENGTHS,
    n_samples = 4,
    prompt,
    ids,
    chat,
    seed = 0,
    ...options
  }: SweepOptions,
): AsyncGenerator<SweepEvent, void, undefined> {
  const grid = checkGrid(strengths, n_samples, options)
  const lead = leadOf(interventions)
  const start = promptOf(model, { prompt, ids, chat }, 'default')
  const stop = [...start.stop, ...(options.stop ?? [])]
  const room = model.config.n_ctx - start.ids.length
  const max_tokens = Math.min(options.max_tokens ?? 40, room)
  const n_total = (grid.length + 1) * n_samples * max_tokens
  let n_done = 0

  async function* measure(
    steering: Steering,
  ): AsyncGenerator<SweepEvent, { measure: Measure; answers: number[][] }> {
    const answers: number[][] = []
    const texts: string[] = []
    for (let n = 0; n < n_samples; n++) {
      const answer: number[] = []
      let text = ''
      const sampling = { ...options, max_tokens, stop, seed: seed + n }
      for await (const token of generate(model, { ...sampling, ...steering, ids: start.ids })) {
        text += token.text
        if (!isEnd(token)) answer.push(token.id)
        yield { type: 'progress', n_done: n_done + answer.length, n_total }
      }
      n_done += max_tokens
      answers.push(answer)
      texts.push(text)
    }
    return {
      measure: await measureTexts(model, start.ids, { answers, texts, interventions, ...options }),
      answers,
    }
  }

  const plain = yield* measure({})
  yield { type: 'default', ...plain.measure }
  const points: SweepPoint[] = []
  for (const strength of grid) {
    const doses = atStrength(interventions, strength)
    const steering = interventionEdits(doses, start.layout)
    const { measure: measured } = yield* measure(steering)
    const kl = await meanDivergence(model, start.ids, plain.answers, steering, options)
    const verdict = verdictOf(measured, plain.measure, { intervention: doses[lead]!, lead })
    const point = { strength, ...measured, ...(kl === undefined ? {} : { kl }), verdict }
    points.push(point)
    yield { type: 'point', ...point }
  }
  yield { type: 'done', bands: bandsOf(points) }
}

type Steering = Partial<ReturnType<typeof interventionEdits>>
type Stoppable = { readonly signal?: AbortSignal }

function checkGrid(
  strengths: readonly number[],
  n_samples: number,
  { temperature, top_k }: Pick<SweepOptions, 'temperature' | 'top_k'>,
): number[] {
  const grid = [...new Set(strengths)].sort((a, b) => a - b)
  if (grid.length === 0 || !grid.every(Number.isFinite)) {
    throw new RangeError(
      `sweep: strengths are [${strengths.join(', ')}], expected one finite number or more.`,
    )
  }
  if (!(Number.isInteger(n_samples) && n_samples >= 2)) {
    throw new RangeError(
      `sweep: n_samples is ${n_samples}, expected 2 or more: their spread says whether an effect is one.`,
    )
  }
  if (temperature === 0 || top_k === 1) {
    throw new RangeError(
      `sweep: ${temperature === 0 ? 'temperature is 0' : 'top_k is 1'}, so all texts of a strength are the same and their spread says nothing. Draw them, at a temperature such as 0.7 and from more than one token.`,
    )
  }
  return grid
}

/** Perplexity, repetition and the latents' values of texts, all read with the model as it is. */
async function measureTexts(
  model: Model,
  prompt: Int32Array,
  {
    answers,
    texts,
    interventions,
    ...stoppable
  }: Stoppable & {
    readonly answers: readonly (readonly number[])[]
    readonly texts: string[]
    readonly interventions: readonly Intervention[]
  },
): Promise<Measure> {
  const hooks = [...new Set(interventions.map(({ sae }): HookName => sae.hook_name))]
  const losses: number[] = []
  const samples: number[][] = []
  for (const answer of answers) {
    if (answer.length === 0) continue
    const read = await readAnswer(model, prompt, answer, { hooks, ...stoppable })
    losses.push(...read.losses)
    samples.push(
      interventions.map(({ sae, latent }) => {
        const { data, d } = read.acts.get(sae.hook_name)!
        const value = openEncoder(sae, latent)
        return mean(answer.map((_, i) => value(data, (prompt.length + i) * d)))
      }),
    )
  }
  const repeated = answers.flatMap((answer) => repetition(answer) ?? [])
  return {
    n_tokens: losses.length,
    ...(losses.length === 0 ? {} : { perplexity: Math.exp(mean(losses)) }),
    ...(repeated.length === 0 ? {} : { repetition: mean(repeated) }),
    acts: interventions.map((_, i) => samples.map((sample) => sample[i]!)),
    texts,
  }
}

/** @returns nats a token, or undefined where no text has a token. */
async function meanDivergence(
  model: Model,
  prompt: Int32Array,
  answers: readonly (readonly number[])[],
  steering: Steering,
  options: Stoppable,
): Promise<number | undefined> {
  const divergences: number[] = []
  for (const answer of answers) {
    if (answer.length === 0) continue
    const predict = [steering, {}].map((edits) =>
      openPredictions(model, [...prompt, ...answer], { ...edits, ...options }),
    )
    try {
      const step = Math.max(1, Math.floor(CHUNK_LOGITS / model.config.d_vocab))
      // What comes at the first token is predicted at the last of the prompt.
      for (let from = prompt.length - 1; from < prompt.length + answer.length - 1; from += step) {
        const to = Math.min(prompt.length + answer.length - 1, from + step)
        const [steered, plain] = [await predict[0]!.at(from, to), await predict[1]!.at(from, to)]
        divergences.push(...divergence(steered, plain, to - from))
      }
    } finally {
      for (const { close } of predict) close()
    }
  }
  return divergences.length === 0 ? undefined : mean(divergences)
}

/** Logits held at a time, of each way to read: 16 MiB. */
const CHUNK_LOGITS = 2 ** 22

/** Reads a text a stretch at a time, in order: `at` gives the logits behind tokens from .. to - 1, [to - from, d_vocab]. */
function openPredictions(
  model: Model,
  ids: readonly number[],
  { edits = [], reads = [], signal }: Steering & Stoppable,
): { at: (from: number, to: number) => Promise<Float32Array>; close: () => void } {
  const cache = model.openCache(1, ids.length)
  const read = async (from: number, to: number, logits: true | 'last') => {
    const batch = padBatch([Int32Array.from(ids.slice(from, to))])
    const stop = signal === undefined ? {} : { signal }
    return (await model.forward(batch, { cache, logits, edits, reads, ...stop })).logits!
  }
  return {
    async at(from, to) {
      // Logits of what lies before are not asked for, only that it is in the cache.
      if (cache.length < from) await read(cache.length, from, 'last')
      return read(from, to, true)
    },
    close: () => cache.close(),
  }
}

/** `D_KL(p || q) = sum_i p_i (log p_i - log q_i)` in nats, of `n` rows of logits each. */
export function divergence(p: Float32Array, q: Float32Array, n: number): number[] {
  const d = p.length / n
  return Array.from({ length: n }, (_, row) => {
    const [from, to] = [row * d, (row + 1) * d]
    const [p_total, q_total] = [logTotal(p.subarray(from, to)), logTotal(q.subarray(from, to))]
    let sum = 0
    for (let i = from; i < to; i++) {
      const log_p = p[i]! - p_total
      sum += Math.exp(log_p) * (log_p - (q[i]! - q_total))
    }
    return sum
  })
}

function logTotal(logits: Float32Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  return most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0))
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length
