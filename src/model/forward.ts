/**
 * The forward pass: sessions in turn, hooks at their borders.
 *
 * 1. embed, then per block: attn (resid_pre to z), mlp (resid_pre and z to attn_out, resid_mid, mlp_out, resid_post).
 * 2. At every site: edits run on the array in place, then the array is returned if the site was asked for.
 * 3. The pass ends after the last site asked for, unless logits, losses or a cache need all of it.
 * 4. Logits are made in chunks of rows and losses from them, so that [n_seqs, seq_len, d_vocab] exists only when asked for.
 */

import { checkBatch, checkCache } from './batch.ts'
import type { BlockHook, HookName } from './hooks.ts'
import { rmsNormalize } from './logits.ts'
import type { Network } from './network.ts'
import { runLogits, runLoss } from './readout.ts'
import type { Scratch } from './scratch.ts'
import type { ForwardOptions, ForwardResult, HookActs, TokenBatch } from './types.ts'

/**
 * Runs a batch through the network. The values returned for a site are those after its edits.
 * @param sites every hook site of the model, in the order of the pass.
 * @throws RangeError if the batch, cache, hooks or edits do not fit the model.
 */
export async function runForward(
  network: Network,
  scratch: Scratch,
  sites: readonly HookName[],
  batch: TokenBatch,
  options: ForwardOptions,
): Promise<ForwardResult> {
  const { config } = network
  const { cache, logits = false, loss = false, signal } = options
  checkBatch(batch, config, cache?.length ?? 0)
  if (cache !== undefined) checkCache(batch, cache)
  const pass = openPass(scratch, sites, batch, options)
  signal?.throwIfAborted()

  const resid = await runBlocks(network, pass, batch, options)
  if (resid === undefined) return { acts: pass.acts }

  const final = 'ln_final.hook_normalized'
  const raw = pass.allocate('normalized', config.d_model, final)
  rmsNormalize(resid, config.d_model, config.rms_eps, raw)
  const normalized = await pass.visit(final, raw)
  const result = {
    acts: pass.acts,
    ...(logits === false
      ? {}
      : { logits: await runLogits(network, scratch, batch, normalized, options) }),
    ...(loss
      ? { next_token_loss: await runLoss(network, scratch, batch, normalized, options) }
      : {}),
  }
  if (cache !== undefined) cache.length += batch.seq_len
  return result
}

/** One pass's bookkeeping of sites: which are edited, which are returned, where it ends. */
type Pass = {
  readonly acts: Map<HookName, HookActs>
  readonly edited: (site: HookName) => boolean
  readonly wanted: (site: HookName) => boolean
  /** Whether anything at or after this site is needed. */
  readonly reaches: (site: HookName) => boolean
  /** An array [m, width]: a new one if one of the sites is returned, else the role's scratch. */
  allocate(role: string, width: number, ...sites: HookName[]): Float32Array
  /** Runs a site's edits, returns its array to the caller if asked to, and gives the array to go on with. */
  visit(site: HookName, array: Float32Array): Promise<Float32Array>
}

function openPass(
  scratch: Scratch,
  sites: readonly HookName[],
  batch: TokenBatch,
  options: ForwardOptions,
): Pass {
  const { n_seqs, seq_len, lengths } = batch
  const m = n_seqs * seq_len
  const order = new Map(sites.map((site, at) => [site, at]))
  const position = (site: HookName): number => {
    const at = order.get(site)
    if (at !== undefined) return at
    throw new RangeError(
      `forward: there is no hook ${JSON.stringify(site)}, expected one of ${sites[0]} to ${sites.at(-1)}. Name hooks by expandHooks(globs, model.hooks).`,
    )
  }
  const wanted = new Set(options.hooks)
  const edits = Map.groupBy(options.edits ?? [], (edit) => edit.hook)
  for (const site of edits.keys()) position(site)
  const runsAll = (options.logits ?? false) !== false || options.loss || options.cache !== undefined
  const asked = [...wanted].map(position)
  const last = runsAll ? sites.length : Math.max(-1, ...asked)
  const acts = new Map<HookName, HookActs>()
  const returned = new Set<Float32Array>()

  return {
    acts,
    edited: (site) => edits.has(site),
    wanted: (site) => wanted.has(site),
    reaches: (site) => position(site) <= last,
    allocate: (role, width, ...owners) =>
      owners.some((site) => wanted.has(site))
        ? new Float32Array(m * width)
        : scratch.take(role, m * width),
    async visit(site, array) {
      const here = edits.get(site) ?? []
      // An earlier site of the same array has been returned already and keeps its values.
      const data = here.length > 0 && returned.has(array) ? array.slice() : array
      const start = options.cache?.length ?? 0
      const entry = { hook: site, data, n_seqs, seq_len, d: data.length / m, start, lengths }
      for (const edit of here) await edit.apply(entry)
      options.signal?.throwIfAborted()
      if (wanted.has(site)) {
        acts.set(site, entry)
        returned.add(data)
      }
      return data
    },
  }
}

/** Embedding and blocks. @returns the last resid_post [m, d_model], or undefined where the pass ends before it. */
async function runBlocks(
  network: Network,
  pass: Pass,
  batch: TokenBatch,
  { cache }: ForwardOptions,
): Promise<Float32Array | undefined> {
  const { d_model, d_head, n_heads, n_layers } = network.config
  if (!pass.reaches('hook_embed')) return undefined
  let resid = pass.allocate('resid even', d_model, 'hook_embed', 'blocks.0.hook_resid_pre')
  await network.embed(batch.ids, resid)
  resid = await pass.visit('hook_embed', resid)

  for (let layer = 0; layer < n_layers; layer++) {
    const at = (hook: BlockHook): HookName => `blocks.${layer}.${hook}`
    if (!pass.reaches(at('hook_resid_pre'))) return undefined
    resid = await pass.visit(at('hook_resid_pre'), resid)

    if (!pass.reaches(at('attn.hook_z'))) return undefined
    let z = pass.allocate('z', n_heads * d_head, at('attn.hook_z'))
    await network.attn(layer, batch.n_seqs, resid, z, cache)
    z = await pass.visit(at('attn.hook_z'), z)

    if (!pass.reaches(at('hook_attn_out'))) return undefined
    resid = await runMlp(network, pass, layer, resid, z)
  }
  return pass.reaches('ln_final.hook_normalized') ? resid : undefined
}

/**
 * The second half of a block with its four sites. @returns resid_post.
 *
 * The session computes `resid_mid = resid_pre + attn_out` inside. Where attn_out or resid_mid is edited it runs twice:
 * once for attn_out, then with the resid_pre that makes its resid_mid the edited one, `resid_mid - attn_out` (equal to
 * within one rounding). An edited mlp_out is added to resid_mid here.
 */
async function runMlp(
  network: Network,
  pass: Pass,
  layer: number,
  resid_pre: Float32Array,
  z: Float32Array,
): Promise<Float32Array> {
  const { d_model, n_layers } = network.config
  const attn_out_site = `blocks.${layer}.hook_attn_out` as const
  const resid_mid_site = `blocks.${layer}.hook_resid_mid` as const
  const mlp_out_site = `blocks.${layer}.hook_mlp_out` as const
  const resid_post_site = `blocks.${layer}.hook_resid_post` as const
  const next_site = layer + 1 < n_layers ? [`blocks.${layer + 1}.hook_resid_pre` as const] : []

  const attn_out = pass.allocate('attn_out', d_model, attn_out_site)
  const resid_mid = pass.allocate('resid_mid', d_model, resid_mid_site)
  const mlp_out = pass.allocate('mlp_out', d_model, mlp_out_site)
  const parity = layer % 2 === 0 ? 'resid odd' : 'resid even'
  const resid_post = pass.allocate(parity, d_model, resid_post_site, ...next_site)

  const editsMlp = pass.edited(mlp_out_site)
  const tail = {
    ...(editsMlp || pass.wanted(mlp_out_site) ? { mlp_out } : {}),
    ...(editsMlp ? {} : { resid_post }),
  }
  if (pass.edited(attn_out_site) || pass.edited(resid_mid_site)) {
    await network.mlp(layer, resid_pre, z, { attn_out })
    const unedited = attn_out.slice()
    await pass.visit(attn_out_site, attn_out)
    add(resid_pre, attn_out, 1, resid_mid)
    await pass.visit(resid_mid_site, resid_mid)
    const shifted = new Float32Array(resid_mid.length)
    add(resid_mid, unedited, -1, shifted)
    await network.mlp(layer, shifted, z, tail)
  } else {
    await network.mlp(layer, resid_pre, z, {
      ...(pass.wanted(attn_out_site) ? { attn_out } : {}),
      ...(editsMlp || pass.wanted(resid_mid_site) ? { resid_mid } : {}),
      ...tail,
    })
    await pass.visit(attn_out_site, attn_out)
    await pass.visit(resid_mid_site, resid_mid)
  }
  await pass.visit(mlp_out_site, mlp_out)
  if (editsMlp) add(resid_mid, mlp_out, 1, resid_post)
  return pass.visit(resid_post_site, resid_post)
}

/** `out = a + sign * b`. */
function add(a: Float32Array, b: Float32Array, sign: 1 | -1, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + sign * b[i]!
}
