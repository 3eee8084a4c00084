/**
 * Layers by tokens: one forward pass of a text, each site's activations through its SAE, the strongest latents per cell.
 *
 * 1. tokens: the text with BOS in front, cut to the model's context
 * 2. one pass: every site at once, logits and losses
 * 3. per site: encode; l0 and fvu per token (of what the SAE writes); the top latents of each token, by activation or by direct
 *    effect on a next token, dense ones left out
 * 4. predictions per token; what was left out, in words
 */

import type { CellRank, Microscope, TestResult } from '../api/index.ts'
import { FileError } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { whyNoLogits } from '../latents/index.ts'
import { type HookName, type Model, padBatch } from '../model/index.ts'
import { outputSite, type Sae, type SaeRunner, type SparseActs } from '../sae/index.ts'
import { directEffect, effectDirections, NO_TARGET } from './directEffect.ts'
import {
  readAllLogits,
  requireTokenizer,
  tokensOf,
  viewPrediction,
  viewTokens,
} from './readText.ts'

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

type Row = Microscope['rows'][number]
type Cell = Row['cells'][number]

/** What of a text is shown. */
export type MicroscopeOptions = {
  readonly text: string
  /** Strongest latents per cell. */
  readonly top_k: number
  /** Latents that fire on a larger share of tokens are left out. */
  readonly max_density: number
  /** activation where absent. */
  readonly rank?: CellRank
  /** Whether special tokens are read; not where absent. */
  readonly special?: boolean
  readonly signal?: AbortSignal
}

/**
 * The microscope's view of a text.
 * @param sites one row each, in this order, and a word in `left_out` for one whose files do not open; without any, what the model itself makes of the text.
 * @throws TypeError if the model has no tokenizer.
 */
export async function microscope(
  model: Model,
  sites: readonly Site[],
  options: MicroscopeOptions,
): Promise<Microscope> {
  const { rank = 'activation', signal } = options
  const { config } = model
  const tokenizer = requireTokenizer(model)
  const { ids, left_out } = tokensOf(model, tokenizer, options.text)
  const last: HookName = `blocks.${config.n_layers - 1}.hook_resid_post`
  const asked = new Set(sites.flatMap(({ hook, hook_out = hook }) => [hook, hook_out]))
  if (rank !== 'activation') asked.add(last)
  const hooks = model.hooks.filter((hook) => asked.has(hook)) // others cost their own row, when it opens
  const pass = await model.forward(padBatch([ids]), {
    hooks,
    logits: true,
    loss: true,
    ...(signal ? { signal } : {}),
  })
  const special = [...ids].map((id) => tokenizer.special_ids.has(id))
  const predictions = readAllLogits(pass.logits!, config.d_vocab)
  const targets = {
    activation: undefined,
    predicted: Int32Array.from(predictions, ({ top }) => top[0]!),
    actual: Int32Array.of(...ids.subarray(1), NO_TARGET),
  }[rank]
  const directions = targets && (await effectDirections(model, pass.acts.get(last)!.data, targets))
  if (rank === 'actual') left_out.push('effects at the last token, which no other follows')

  const rows: Row[] = []
  const chips: Microscope['latents'] = []
  const noEffects: string[] = []
  let n_dense = 0
  let n_unmeasured = 0
  for (const { id, hook, open } of sites) {
    signal?.throwIfAborted()
    const sae = await open().catch((error: unknown) => {
      // Files that are damaged or do not fit the model cost their own row only.
      if (!isAboutFiles(error)) throw error
      left_out.push(`${hook}: ${error.message}`)
    })
    if (!sae) continue
    const { runner, measured } = sae
    const x = pass.acts.get(hook)!.data
    const acts = await runner.encode(x)
    const why = directions && whyNoLogits(runner.sae, config.d_model)
    if (why !== undefined) noEffects.push(why)
    const { cells, dense } = cellsOf(acts, {
      ...options,
      measured,
      isRead: (token) =>
        why === undefined &&
        targets?.[token] !== NO_TARGET &&
        (options.special === true || !special[token]),
      ...(directions && why === undefined
        ? { effectOf: effectsOf(runner.sae, directions, config.d_model) }
        : {}),
    })
    const output = outputSite(runner.sae)
    const recon = await runner.decode(acts, x)
    const fvu = tokenFvu(pass.acts.get(output.hook)!.data, recon, output.d, special)
    const l0 = special.map((_, token) => acts.row_start[token + 1]! - acts.row_start[token]!)
    rows.push({ sae: id, hook, ...layerOf(hook), cells, l0, ...(fvu ? { fvu } : {}) })
    const shown = new Set(cells.flatMap((cell) => cell.map(({ index }) => index)))
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

  const [first, ...others] = noEffects
  if (first !== undefined)
    left_out.push(
      `effects at ${noEffects.length} site${plural(noEffects.length)}: ${first}${others.length > 0 ? ', and the others likewise' : ''}`,
    )
  const n_special = special.filter(Boolean).length
  if (n_special > 0 && !options.special)
    left_out.push(`${n_special} special token${plural(n_special)}: shown, not read`)
  if (n_dense > 0)
    left_out.push(`${n_dense} latent${plural(n_dense)} denser than ${percent(options.max_density)}`)
  if (n_unmeasured > 0)
    left_out.push(
      `strengths and densities of ${n_unmeasured} SAE${plural(n_unmeasured)} not indexed yet: strongest by activation`,
    )
  const loss = pass.next_token_loss!
  return {
    rank,
    tokens: viewTokens(tokenizer, ids),
    token_loss: [...ids].map((_, t) => (t === 0 ? null : finiteOrNull(loss[t - 1]!))),
    predictions: predictions.map((prediction) => viewPrediction(prediction, tokenizer)),
    rows,
    latents: chips,
    left_out,
  }
}

type Measured = Awaited<ReturnType<Site['open']>>['measured']

/** The strongest latents of each token [n_tokens], and which were left out as dense. */
function cellsOf(
  acts: SparseActs,
  options: Pick<MicroscopeOptions, 'top_k' | 'max_density'> & {
    readonly measured: Measured
    readonly isRead: (token: number) => boolean
    /** Ranks by its size where given; else by the share of the latent's maximum. */
    readonly effectOf?: (token: number, latent: number, act: number) => number
  },
): { cells: Cell[]; dense: Set<number> } {
  const { measured, effectOf, max_density, top_k } = options
  const dense = new Set<number>()
  const cells = Array.from({ length: acts.n }, (_, token): Cell => {
    const cell: Cell = []
    if (!options.isRead(token)) return cell
    for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++) {
      const index = acts.index[entry]!
      const act = acts.value[entry]!
      if (measured && measured.density[index]! > max_density) {
        dense.add(index)
        continue
      }
      const max_act = measured?.max_act[index] ?? 0
      cell.push({
        index,
        act,
        ...(max_act > 0 ? { strength: act / max_act } : {}),
        ...(effectOf ? { effect: effectOf(token, index, act) } : {}),
      })
    }
    return cell.sort((a, b) => sizeOf(b) - sizeOf(a) || a.index - b.index).slice(0, top_k)
  })
  return { cells, dense }
}

const sizeOf = ({ act, strength, effect }: Cell[number]): number =>
  effect === undefined ? (strength ?? act) : Math.abs(effect)

const effectsOf =
  ({ W_dec }: Sae, directions: Float32Array, d: number) =>
  (token: number, latent: number, act: number): number =>
    directEffect(act, W_dec, latent * d, directions, token * d, d)

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

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null)
const plural = (n: number): string => (n === 1 ? '' : 's')
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
