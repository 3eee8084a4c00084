/**
 * Two runs latent by latent: two prompts in one model (chain of thought or not), or one text in two models.
 *
 * 1. The tokens are aligned by their ids (`align.ts`).
 * 2. One pass of each: activations at the sites, losses, the last residual stream; further passes for sites that memory is not for.
 * 3. Per site: both are encoded, and compared on every pair of aligned tokens (`compareSite.ts`).
 * 4. What is predicted next: behind every pair the divergence, behind the last tokens the most probable ones.
 */

import { type HookName, type Model, padBatch, type Tokenizer } from '../model/index.ts'
import { alignTokens } from './align.ts'
import { compareSite, type SiteOptions } from './compareSite.ts'
import { divergences, guessesBehind, lastStream } from './predictions.ts'
import type { Column, CompareSite, Run, RunComparison, Side } from './types.ts'

export type CompareOptions = Partial<SiteOptions> & {
  /** Activations of both runs that one pass may hold (default 512 MiB); of one site always. */
  readonly acts_bytes?: number
  readonly signal?: AbortSignal
}

const N_TOP = 8
const N_LATENTS = 100
/** As in the microscope: what fires on more than a tenth of all tokens says little about these. */
const MAX_DENSITY = 0.1
const ACTS_BYTES = 2 ** 29

/**
 * Compares two texts in one model.
 * @returns the comparison, and how many tokens of each were cut off behind the model's context.
 * @throws TypeError if the model has no tokenizer.
 */
export async function comparePrompts(
  model: Model,
  sites: readonly CompareSite[],
  prompts: { readonly a: string; readonly b: string },
  options: CompareOptions = {},
): Promise<RunComparison & { readonly n_cut: { readonly a: number; readonly b: number } }> {
  const tokenizer = requireTokenizer(model)
  const { n_ctx } = model.config
  const [a, b] = [prompts.a, prompts.b].map((text) => tokenizer.tokenize(text)) as [
    Int32Array,
    Int32Array,
  ]
  const runs = [a, b].map((ids) => ({ model, ids: ids.slice(0, n_ctx) })) as [Run, Run]
  const found = await compareRuns(...runs, sites, options)
  const cut = (ids: Int32Array) => Math.max(0, ids.length - n_ctx)
  return { ...found, n_cut: { a: cut(a), b: cut(b) } }
}

/**
 * Compares two runs, of one model or of two that agree in tokenizer and widths.
 * @throws RangeError if a run has no token or the texts are too long to align.
 */
export async function compareRuns(
  a: Run,
  b: Run,
  sites: readonly CompareSite[],
  options: CompareOptions = {},
): Promise<RunComparison> {
  const { n_top = N_TOP, n_latents = N_LATENTS, max_density = MAX_DENSITY } = options
  const { acts_bytes = ACTS_BYTES, signal } = options
  const pairs = alignTokens(a.ids, b.ids)
  const bytes = ({ hook }: CompareSite) => 4 * a.model.width(hook) * (a.ids.length + b.ids.length)
  const [first = [], ...others] = groupsOf(sites, bytes, acts_bytes)
  const pass_a = await firstPass(a, first, signal)
  const pass_b = await firstPass(b, first, signal)
  const streams = [
    { model: a.model, data: pass_a.acts.get(lastStream(a.model))!.data },
    { model: b.model, data: pass_b.acts.get(lastStream(b.model))!.data },
  ] as const
  const whole = pairs.flatMap(({ a, b }) => (a === undefined || b === undefined ? [] : [{ a, b }]))
  const kl = [...(await divergences(...streams, whole, signal))]
  const columns = pairs.map((pair): Column => {
    if (pair.a === undefined || pair.b === undefined) return { ...pair, isSame: false }
    return { ...pair, isSame: a.ids[pair.a] === b.ids[pair.b], kl: kl.shift()! }
  })

  const special = { a: specialIds(a.model), b: specialIds(b.model) }
  const isRead = (side: 'a' | 'b', token: number) =>
    !special[side].has((side === 'a' ? a : b).ids[token]!)
  const compared = []
  let n_dense = 0
  for (const group of [first, ...others]) {
    const [in_a, in_b] =
      group === first
        ? [pass_a.acts, pass_b.acts]
        : [await actsOf(a, group, signal), await actsOf(b, group, signal)]
    for (const { id, hook, open } of group) {
      signal?.throwIfAborted()
      const site = await open()
      if (site === undefined) continue
      try {
        const acts_a = await site.runner.encode(in_a.get(hook)!.data)
        const acts_b = await site.runner.encode(in_b.get(hook)!.data)
        const limits = { n_top, n_latents, max_density }
        const runs = { acts_a, acts_b, columns, isRead }
        const { n_dense: left_out, ...found } = compareSite(site, runs, limits)
        n_dense += left_out
        compared.push({ id, hook, ...found })
      } finally {
        await site.close?.()
      }
    }
  }
  const last = { a: a.ids.length - 1, b: b.ids.length - 1 }
  return {
    a: sideOf(a, pass_a.next_token_loss!),
    b: sideOf(b, pass_b.next_token_loss!),
    columns,
    sites: compared,
    final: await guessesBehind(...streams, last, signal),
    n_dense,
  }
}

/** The tokenizer of a model. @throws TypeError if it has none. */
function requireTokenizer({ name, tokenizer }: Model): Tokenizer {
  if (tokenizer !== undefined) return tokenizer
  throw new TypeError(
    `compare: ${name} has no tokenizer.json, so it cannot read text. Put the one it was trained with beside its config.json.`,
  )
}

const specialIds = ({ tokenizer }: Model): ReadonlySet<number> =>
  tokenizer?.special_ids ?? new Set()

/** Sites in their order, as many together as there is room for. */
function groupsOf(
  sites: readonly CompareSite[],
  bytesOf: (site: CompareSite) => number,
  most_bytes: number,
): CompareSite[][] {
  const groups: CompareSite[][] = []
  let bytes = Infinity
  for (const site of sites) {
    bytes += bytesOf(site)
    if (bytes > most_bytes) {
      groups.push([])
      bytes = bytesOf(site)
    }
    groups.at(-1)!.push(site)
  }
  return groups
}

function firstPass({ model, ids }: Run, sites: readonly CompareSite[], signal?: AbortSignal) {
  const hooks = hooksOf(model, [...sites.map(({ hook }) => hook), lastStream(model)])
  return model.forward(padBatch([ids]), { hooks, loss: true, ...(signal ? { signal } : {}) })
}

async function actsOf({ model, ids }: Run, sites: readonly CompareSite[], signal?: AbortSignal) {
  const hooks = hooksOf(
    model,
    sites.map(({ hook }) => hook),
  )
  const pass = await model.forward(padBatch([ids]), { hooks, ...(signal ? { signal } : {}) })
  return pass.acts
}

/** In the order of the pass, each once. */
const hooksOf = (model: Model, asked: readonly HookName[]): HookName[] =>
  model.hooks.filter((hook) => asked.includes(hook))

/** A loss that is not a number is none: of a model whose logits overflow. */
function sideOf({ ids }: Run, losses: Float32Array): Side {
  const loss = Array.from(ids, (_, token) => (token === 0 ? null : losses[token - 1]!))
  return { ids, loss: loss.map((nats) => (Number.isFinite(nats) ? nats : null)) }
}
