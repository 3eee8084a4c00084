/** Two prompts, or two models, as the page shows them. */

import { corpusOfTexts, readCorpus, type TokenCorpus } from '../activations/index.ts'
import type { CompareModelsEvent, ModelComparison, PromptComparison } from '../api/index.ts'
import { siteOn } from '../compare/disk.ts'
import {
  type CompareSite,
  compareModels,
  comparePrompts,
  compareRuns,
  type RunComparison,
} from '../compare/index.ts'
import { FileError } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { showPiece } from '../jobs/index.ts'
import type { Model } from '../model/index.ts'
import { parseHookName } from '../sae/index.ts'
import type { InferenceCalls, InferenceStreams } from './inferenceProtocol.ts'
import { requireTokenizer, viewTokens } from './readText.ts'
import type { Workbench } from './workbench.ts'

/** Latents in the cells of one answer, about; a cell shows fewer where there are many. */
const CELL_LATENTS = 60_000
const MOST_IN_CELL = 6
const LISTED = 60
/** Of the text that two models are compared on, what is shown token by token. */
const SHOWN_TOKENS = 128

/** Compares two prompts in a suite's model. Labels are the server thread's to add. */
export async function promptsCompared(
  bench: Workbench,
  { suite, a, b, max_density }: InferenceCalls['comparePrompts']['request'],
  signal: AbortSignal,
): Promise<PromptComparison> {
  const model = await bench.model(suite.model)
  const tokenizer = requireTokenizer(model)
  const left_out: string[] = []
  const sites = suite.saes.map(
    ({ id, hook, dir }): CompareSite => ({
      id,
      hook: parseHookName(hook, dir),
      open: () => bench.sae(dir, model).catch(leftOut(hook, left_out)),
    }),
  )
  const n_tokens = tokenizer.tokenize(a).length + tokenizer.tokenize(b).length
  const limits = { max_density, n_latents: LISTED, n_top: inCell(sites.length, n_tokens), signal }
  const { n_cut, ...found } = await comparePrompts(model, sites, { a, b }, limits)
  for (const side of ['a', 'b'] as const)
    if (n_cut[side] > 0)
      left_out.push(
        `${n_cut[side]} tokens of ${side.toUpperCase()} past the first ${model.config.n_ctx} (${model.name} reads at most as many)`,
      )
  if (found.n_dense > 0)
    left_out.push(`${counted(found.n_dense, 'latent')} denser than ${percent(max_density)}`)
  return view(model, found, left_out)
}

/**
 * Compares a suite's model with another; whoever calls holds both.
 * @throws RangeError if the two do not read the same tokens.
 */
export async function* modelsCompared(
  bench: Workbench,
  request: InferenceStreams['compareModels']['request'],
  signal: AbortSignal,
): AsyncGenerator<CompareModelsEvent, void, undefined> {
  const { suite, n_tokens, splice_tokens } = request
  const base = await bench.model(suite.model)
  const tuned = await bench.model(request.model)
  const left_out: string[] = []
  const sites = suite.saes.map(({ id, hook, dir }) => {
    const site = siteOn(dir, { id, hook: parseHookName(hook, dir), threads: bench.threads })
    return { ...site, open: () => site.open().catch(leftOut(hook, left_out)) }
  })
  const corpus = await corpusOf(base, request, signal)
  const options = { n_tokens, splice_tokens, threads: bench.threads, n_latents: LISTED, signal }
  for await (const event of compareModels(base, tuned, sites, corpus, options)) {
    if (event.type === 'progress') {
      yield event
      continue
    }
    const ids = corpus.ids.slice(0, Math.min(corpus.doc_start[1]!, SHOWN_TOKENS))
    const runs = [base, tuned].map((model) => ({ model, ids })) as [Shown, Shown]
    const n_top = inCell(sites.length, ids.length)
    const limits = { max_density: 1, n_latents: LISTED, n_top, signal }
    const shown = view(base, await compareRuns(...runs, sites, limits), [])
    const comparison = viewModels(event.comparison, shown, [...new Set(left_out)])
    yield { type: 'done', comparison }
  }
}

type Shown = { readonly model: Model; readonly ids: Int32Array }

/** The request's text, or the beginning of the suite's own. */
async function corpusOf(
  model: Model,
  { text, data, n_tokens }: InferenceStreams['compareModels']['request'],
  signal: AbortSignal,
): Promise<TokenCorpus> {
  const tokenizer = requireTokenizer(model)
  const { n_ctx } = model.config
  if (text !== undefined) return corpusOfTexts([text], tokenizer, { n_ctx, name: 'text' })
  const { names, text_column } = data!
  return readCorpus(names, tokenizer, { n_ctx, text_column, hub_tokens: n_tokens, signal })
}

/** Files that are damaged or do not fit the model cost their own row only. */
const leftOut = (hook: string, left_out: string[]) => (error: unknown) => {
  const isAboutFiles = [FormatError, FileError, RangeError, TypeError].some(
    (kind) => error instanceof kind,
  )
  if (!isAboutFiles) throw error
  left_out.push(`${hook}: ${(error as Error).message}`)
  return undefined
}

const inCell = (n_sites: number, n_tokens: number): number =>
  Math.max(1, Math.min(MOST_IN_CELL, Math.floor(CELL_LATENTS / Math.max(1, n_sites * n_tokens))))

function view(model: Model, found: RunComparison, left_out: readonly string[]): PromptComparison {
  const tokenizer = requireTokenizer(model)
  const side = ({ ids, loss }: RunComparison['a']) => ({
    tokens: viewTokens(tokenizer, ids),
    loss: [...loss],
  })
  const pieceOf = (id: number) => showPiece(tokenizer.pieces[id] ?? '')
  const { kl_ab, kl_ba, guesses } = found.final
  return {
    a: side(found.a),
    b: side(found.b),
    columns: found.columns.map((column) => ({ ...column })),
    sites: found.sites.map(({ id, ...site }) => ({
      ...(structuredClone(site) as Mutable<typeof site>),
      sae: id,
      ...layerOf(site.hook),
    })),
    final: { kl_ab, kl_ba, guesses: guesses.map(({ id, ...p }) => ({ piece: pieceOf(id), ...p })) },
    latents: found.sites.flatMap(({ id, hook, cells, final, latents, apart }) => {
      const shown = [...cells, final].flatMap((cell) => cell?.top ?? [])
      const indices = new Set([...latents, ...apart, ...shown].map(({ index }) => index))
      return Array.from(indices, (index) => ({ sae: id, hook, index }))
    }),
    left_out: [...left_out],
  }
}

function viewModels(
  found: import('../compare/index.ts').ModelComparison,
  shown: PromptComparison,
  left_out: string[],
): ModelComparison {
  return {
    ...found,
    layers: found.layers.map((layer) => ({ ...layer, ...layerOf(layer.hook) })),
    sites: found.sites.map(({ id, ...site }) => ({
      ...(structuredClone(site) as Mutable<typeof site>),
      sae: id,
      ...layerOf(site.hook),
    })),
    latents: found.sites.flatMap(({ id, hook, latents }) =>
      latents.map(({ index }) => ({ sae: id, hook, index })),
    ),
    shown,
    left_out,
  }
}

/** Answers travel as JSON: nothing of them is held here. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T

/** Block index of a hook site, as an optional field. */
function layerOf(hook: string): { layer?: number } {
  const layer = /^blocks\.(\d+)\./.exec(hook)?.[1]
  return layer === undefined ? {} : { layer: Number(layer) }
}

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
