/**
 * Layers by tokens: one forward pass of a text, each site's activations through its SAE, the strongest latents per cell.
 *
 * 1. tokens: the text with BOS in front, cut to the model's context
 * 2. one pass: every site at once, logits and losses
 * 3. per site: encode; l0 and fvu per token (of what the SAE writes); the top latents of each token, dense ones left out
 * 4. predictions per token; what was left out, in words
 */

import type { Microscope, TestResult, TokenView } from '../api/index.ts'
import { FileError } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { showPiece } from '../jobs/index.ts'
import { type HookName, type Model, padBatch, type Tokenizer } from '../model/index.ts'
import { outputSite, type SaeRunner } from '../sae/index.ts'

/** One SAE as the microscope needs it. */
export type Site = {
  readonly id: string
  readonly hook: HookName
  /** The site a transcoder writes; absent otherwise. */
  readonly hook_out?: HookName
  /** Called when its turn comes; it may close what an earlier site opened. */
  readonly open: () => Promise<{
    readonly runner: SaeRunner
    /** Per latent [d_sae]; absent until the SAE is indexed. */
    readonly measured?: { readonly density: Float32Array; readonly max_act: Float32Array }
  }>
}

/** Logits are [n_tokens, d_vocab] floats; this many at most (1 GiB) bounds the text of a large vocabulary. */
const MAX_LOGITS = 2 ** 28
const N_PREDICTIONS = 5

/**
 * The microscope's view of a text.
 * @param sites one row each, in this order, and a word in `left_out` for one whose files do not open; without any, what the model itself makes of the text.
 * @throws TypeError if the model has no tokenizer.
 */
export async function microscope(
  model: Model,
  sites: readonly Site[],
  options: { text: string; top_k: number; max_density: number; signal?: AbortSignal },
): Promise<Microscope> {
  const tokenizer = requireTokenizer(model)
  const { ids, left_out } = tokensOf(model, tokenizer, options.text)
  const asked = new Set(sites.flatMap(({ hook, hook_out = hook }) => [hook, hook_out]))
  const hooks = model.hooks.filter((hook) => asked.has(hook)) // others cost their own row, when it opens
  const pass = await model.forward(padBatch([ids]), {
    hooks,
    logits: true,
    loss: true,
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const special = [...ids].map((id) => tokenizer.special_ids.has(id))

  const rows: Microscope['rows'] = []
  const chips: Microscope['latents'] = []
  let n_dense = 0
  let n_unmeasured = 0
  for (const { id, hook, open } of sites) {
    options.signal?.throwIfAborted()
    const sae = await open().catch((error: unknown) => {
      // Files that are damaged or do not fit the model cost their own row only.
      if (!isAboutFiles(error)) throw error
      left_out.push(`${hook}: ${error.message}`)
    })
    if (!sae) continue
    const { runner, measured } = sae
    const x = pass.acts.get(hook)!.data
    const acts = await runner.encode(x)
    const strengthOf = (latent: number, act: number): number | undefined =>
      measured && measured.max_act[latent]! > 0 ? act / measured.max_act[latent]! : undefined
    const dense = new Set<number>()
    const shown = new Set<number>()
    const cells: Microscope['rows'][number]['cells'] = []
    const l0: number[] = []
    for (let token = 0; token < acts.n; token++) {
      const [start, end] = [acts.row_start[token]!, acts.row_start[token + 1]!]
      l0.push(end - start)
      const cell: Microscope['rows'][number]['cells'][number] = []
      for (let entry = special[token] ? end : start; entry < end; entry++) {
        const index = acts.index[entry]!
        const act = acts.value[entry]!
        if (measured && measured.density[index]! > options.max_density) {
          dense.add(index)
          continue
        }
        const strength = strengthOf(index, act)
        cell.push(strength === undefined ? { index, act } : { index, act, strength })
      }
      cell.sort((a, b) => (b.strength ?? b.act) - (a.strength ?? a.act) || a.index - b.index)
      cell.splice(options.top_k)
      for (const { index } of cell) shown.add(index)
      cells.push(cell)
    }
    const output = outputSite(runner.sae)
    const recon = await runner.decode(acts, x)
    const fvu = tokenFvu(pass.acts.get(output.hook)!.data, recon, output.d, special)
    rows.push({
      sae: id,
      hook,
      ...layerOf(hook),
      cells,
      l0,
      ...(fvu ? { fvu } : {}),
    })
    for (const index of [...shown].sort((a, b) => a - b))
      chips.push({
        sae: id,
        hook,
        index,
        ...(measured
          ? { density: measured.density[index]!, max_act: measured.max_act[index]! }
          : {}),
      })
    n_dense += dense.size
    if (!measured) n_unmeasured++
  }

  const n_special = special.filter(Boolean).length
  if (n_special > 0)
    left_out.push(`${n_special} special token${plural(n_special)}: shown, not read`)
  if (n_dense > 0)
    left_out.push(`${n_dense} latent${plural(n_dense)} denser than ${percent(options.max_density)}`)
  if (n_unmeasured > 0)
    left_out.push(
      `strengths and densities of ${n_unmeasured} SAE${plural(n_unmeasured)} not indexed yet: strongest by activation`,
    )
  const loss = pass.next_token_loss!
  return {
    tokens: viewTokens(tokenizer, ids),
    token_loss: [...ids].map((_, t) => (t === 0 ? null : finiteOrNull(loss[t - 1]!))),
    predictions: topPredictions(pass.logits!, model.config.d_vocab, tokenizer),
    rows,
    latents: chips,
    left_out,
  }
}

/** One latent's activation on every token of a text; 0 at special tokens, which SAEs never read. */
export async function testLatent(
  model: Model,
  runner: SaeRunner,
  options: { latent: number; text: string; signal?: AbortSignal },
): Promise<TestResult> {
  const { sae } = runner
  if (options.latent >= sae.d_sae)
    throw new RangeError(
      `latent ${options.latent}: ${sae.hook_name} has latents 0 to ${sae.d_sae - 1}`,
    )
  const tokenizer = requireTokenizer(model)
  const { ids, left_out } = tokensOf(model, tokenizer, options.text)
  const pass = await model.forward(padBatch([ids]), {
    hooks: [sae.hook_name],
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const acts = await runner.encode(pass.acts.get(sae.hook_name)!.data)
  const values = [...ids].map((id, token) => {
    if (tokenizer.special_ids.has(id)) return 0
    for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++)
      if (acts.index[entry] === options.latent) return acts.value[entry]!
    return 0
  })
  return { tokens: viewTokens(tokenizer, ids), values, ...(left_out.length ? { left_out } : {}) }
}

const isAboutFiles = (error: unknown): error is Error =>
  error instanceof FormatError ||
  error instanceof FileError ||
  error instanceof RangeError ||
  error instanceof TypeError

/** Block index of a hook site, as an optional field. */
function layerOf(hook: string): { layer?: number } {
  const layer = /^blocks\.(\d+)\./.exec(hook)?.[1]
  return layer === undefined ? {} : { layer: Number(layer) }
}

function requireTokenizer(model: Model): Tokenizer {
  if (!model.tokenizer)
    throw new TypeError(
      `${model.name} has no tokenizer.json, so text cannot be read; put one beside its config.json`,
    )
  return model.tokenizer
}

function tokensOf(
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

const viewTokens = (tokenizer: Tokenizer, ids: Int32Array): TokenView[] =>
  [...ids].map((id) => ({
    id,
    piece: showPiece(tokenizer.pieces[id] ?? ''),
    special: tokenizer.special_ids.has(id),
  }))

/**
 * `||y - recon||^2 / ||y - mean||^2` per token, mean over the text's tokens that are not special.
 * Absent where fewer than two such tokens leave no variance to explain.
 */
function tokenFvu(
  y: Float32Array,
  recon: Float32Array,
  d: number,
  special: readonly boolean[],
): number[] | undefined {
  const counted = special.filter((is) => !is).length
  if (counted < 2) return undefined
  const mean = new Float64Array(d)
  for (const [token, is] of special.entries())
    if (!is) for (let i = 0; i < d; i++) mean[i]! += y[token * d + i]! / counted
  return special.map((_, token) => {
    let error = 0
    let variance = 0
    for (let i = 0; i < d; i++) {
      const value = y[token * d + i]!
      error += (value - recon[token * d + i]!) ** 2
      variance += (value - mean[i]!) ** 2
    }
    return error / variance
  })
}

function topPredictions(
  logits: Float32Array,
  d_vocab: number,
  tokenizer: Tokenizer,
): { piece: string; p: number }[][] {
  const predictions: { piece: string; p: number }[][] = []
  for (let start = 0; start < logits.length; start += d_vocab) {
    const row = logits.subarray(start, start + d_vocab)
    const top: number[] = []
    let max = Number.NEGATIVE_INFINITY
    for (let id = 0; id < d_vocab; id++) {
      const value = row[id]!
      if (value > max) max = value
      if (top.length === N_PREDICTIONS && value <= row[top.at(-1)!]!) continue
      let place = top.length
      while (place > 0 && row[top[place - 1]!]! < value) place--
      top.splice(place, 0, id)
      if (top.length > N_PREDICTIONS) top.pop()
    }
    let sum = 0
    for (let id = 0; id < d_vocab; id++) sum += Math.exp(row[id]! - max)
    predictions.push(
      top.map((id) => ({
        piece: showPiece(tokenizer.pieces[id] ?? ''),
        p: Math.exp(row[id]! - max) / sum,
      })),
    )
  }
  return predictions
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null)
const plural = (n: number): string => (n === 1 ? '' : 's')
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
