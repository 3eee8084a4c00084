/**
 * The forward pass: sessions in turn, hooks at their borders.
 *
 * 1. embed, learned positions where a model has them, then per block: attn (resid_pre to z), mlp (resid_pre and z to
 *    attn_out, resid_mid, mlp_out, resid_post); `ln2.hook_normalized` is made where it is asked for, from resid_mid, or from
 *    resid_pre where attention and MLP run side by side.
 * 2. At every site: edits run on the array in place, reads look at it, then it is returned if the site was asked for.
 * 3. The pass ends after the last site asked for or read, unless logits, losses or a cache need all of it.
 * 4. A pass may begin at a residual stream that an earlier pass of the same batch returned (`from`).
 * 5. Logits are made in chunks of rows and losses from them, so that [n_seqs, seq_len, d_vocab] exists only when asked for.
 */

import { checkBatch, checkCache } from './batch.ts'
import { giveBack } from './giveBack.ts'
import { type BlockHook, type HookName, isReadOnly } from './hooks.ts'
import { normalize } from './logits.ts'
import type { MlpOutput, Network } from './network.ts'
import { runLogits, runLoss } from './readout.ts'
import type { ForwardOptions, ForwardResult, HookActs, TokenBatch } from './types.ts'

/**
 * Runs a batch through the network. The values returned for a site are those after its edits.
 * @param sites every hook site of the model, in the order of the pass.
 * @throws RangeError if the batch, cache, hooks, reads or edits do not fit the model.
 */
export async function runForward(
  network: Network,
  sites: readonly HookName[],
  batch: TokenBatch,
  options: ForwardOptions,
): Promise<ForwardResult> {
  const { config } = network
  const { cache, logits = false, loss = false, signal } = options
  checkBatch(batch, config, cache?.length ?? 0)
  if (cache !== undefined) checkCache(batch, cache)
  checkStart(config.d_model, batch, options)
  const pass = openPass(sites, batch, options)
  signal?.throwIfAborted()

  const resid = await runBlocks(network, pass, batch, options)
  if (resid === undefined) return { acts: pass.acts }

  const raw = normalize(resid, config)
  const normalized = await pass.visit('ln_final.hook_normalized', raw)
  const result = {
    acts: pass.acts,
    ...(logits === false ? {} : { logits: await runLogits(network, batch, normalized, options) }),
    ...(loss ? { next_token_loss: await runLoss(network, batch, normalized, options) } : {}),
  }
  if (cache !== undefined) cache.length += batch.seq_len
  return result
}

/** @throws RangeError if the pass cannot begin at `from`. */
function checkStart(
  d_model: number,
  { n_seqs, seq_len }: TokenBatch,
  { from, cache }: ForwardOptions,
): void {
  if (from === undefined) return
  blockBorder(from.hook)
  if (cache !== undefined)
    throw new RangeError('forward: `from` and `cache` do not go together; give one of them.')
  if (from.n_seqs !== n_seqs || from.seq_len !== seq_len || from.d !== d_model)
    throw new RangeError(
      `forward: \`from\` is [${from.n_seqs}, ${from.seq_len}, ${from.d}], expected [${n_seqs}, ${seq_len}, ${d_model}] of the batch. Take it from a pass of the same batch.`,
    )
}

/** The block whose residual stream a site is, and whether it lies after the block. */
function blockBorder(hook: HookName): { layer: number; isAfter: boolean } {
  const [, layer, side] = /^blocks\.(\d+)\.hook_resid_(pre|post)$/.exec(hook) ?? []
  if (layer !== undefined) return { layer: Number(layer), isAfter: side === 'post' }
  throw new RangeError(
    `forward: a pass cannot begin at ${hook}, only at a block's hook_resid_pre or hook_resid_post.`,
  )
}

/** One pass's bookkeeping of sites: which are edited, which are returned, where it ends. */
type Pass = {
  readonly acts: Map<HookName, HookActs>
  edited(site: HookName): boolean
  /** Whether the site's values are returned or read. */
  wanted(site: HookName): boolean
  /** Whether this site or one after it is needed. */
  reaches(site: HookName): boolean
  /** Runs a site's edits and reads, returns its array to the caller if asked to, and gives the array to go on with. */
  visit(site: HookName, array: Float32Array): Promise<Float32Array>
  /** Gives back an array that the pass no longer needs, unless one of its sites is returned or edited. */
  release(array: Float32Array, ...sites: readonly HookName[]): void
}

function openPass(sites: readonly HookName[], batch: TokenBatch, options: ForwardOptions): Pass {
  const { n_seqs, seq_len, lengths } = batch
  const order = new Map(sites.map((site, at) => [site, at]))
  const position = (site: HookName): number => {
    const at = order.get(site)
    if (at !== undefined) return at
    throw new RangeError(
      `forward: there is no hook ${JSON.stringify(site)}, expected one of ${sites[0]} to ${sites.at(-1)}. Take names from expandHooks(globs, model.hooks).`,
    )
  }
  const returning = new Set(options.hooks)
  const reads = Map.groupBy(options.reads ?? [], (read) => read.hook)
  const wanted = new Set([...returning, ...reads.keys()])
  const edits = Map.groupBy(options.edits ?? [], (edit) => edit.hook)
  const fixed = [...edits.keys()].find(isReadOnly)
  if (fixed !== undefined)
    throw new RangeError(
      `forward: ${fixed} can be read but not edited: the pass does not go on from it. Edit hook_resid_mid before it or hook_mlp_out after it.`,
    )
  const first = options.from === undefined ? 0 : position(options.from.hook)
  for (const site of [...wanted, ...edits.keys()]) {
    if (position(site) >= first) continue
    throw new RangeError(
      `forward: ${site} lies before ${options.from?.hook}, where the pass begins. Leave out \`from\`, or that site.`,
    )
  }
  const { logits = false, loss = false, cache } = options
  const runsAll = logits !== false || loss || cache !== undefined
  const last = runsAll ? sites.length : Math.max(-1, ...Array.from(wanted, position))
  const acts = new Map<HookName, HookActs>()
  const returned = new Set<Float32Array>()

  return {
    acts,
    edited: (site) => edits.has(site),
    wanted: (site) => wanted.has(site),
    reaches: (site) => position(site) <= last,
    async visit(site, array) {
      const here = edits.get(site) ?? []
      // An earlier site of the same array has been returned already and keeps its values.
      const data = here.length > 0 && returned.has(array) ? array.slice() : array
      const d = data.length / (n_seqs * seq_len)
      const entry = { hook: site, data, n_seqs, seq_len, d, start: cache?.length ?? 0, lengths }
      for (const edit of here) await edit.apply(entry)
      for (const { read } of reads.get(site) ?? []) await read(entry)
      options.signal?.throwIfAborted()
      if (returning.has(site)) {
        acts.set(site, entry)
        returned.add(data)
      }
      return data
    },
    release(array, ...sites) {
      if (!sites.some((site) => returning.has(site) || edits.has(site))) giveBack(array)
    },
  }
}

/** Embedding and blocks. @returns the last resid_post [m, d_model], or undefined where the pass ends before it is used. */
async function runBlocks(
  network: Network,
  pass: Pass,
  batch: TokenBatch,
  { cache, from }: ForwardOptions,
): Promise<Float32Array | undefined> {
  let resid: Float32Array
  let first = 0
  if (from === undefined) {
    if (!pass.reaches('hook_embed')) return undefined
    const embedded = await pass.visit('hook_embed', await network.embed(batch.ids))
    resid = await addPositions(network, embedded, batch, cache?.length ?? 0)
  } else {
    const { layer, isAfter } = blockBorder(from.hook)
    resid = isAfter ? await pass.visit(from.hook, from.data.slice()) : from.data.slice()
    first = isAfter ? layer + 1 : layer
  }
  for (let layer = first; layer < network.config.n_layers; layer++) {
    const at = (hook: BlockHook): HookName => `blocks.${layer}.${hook}`
    if (!pass.reaches(at('hook_resid_pre'))) return undefined
    resid = await pass.visit(at('hook_resid_pre'), resid)
    if (!pass.reaches(at('attn.hook_z'))) return undefined
    const attended = await network.attn(layer, batch.n_seqs, resid, cache)
    const z = await pass.visit(at('attn.hook_z'), attended)
    if (!pass.reaches(at('hook_attn_out'))) return undefined
    const finish = network.config.parallel ? runParallel : runMlp
    const resid_post = await finish(network, pass, at, layer, resid, z)
    pass.release(z, at('attn.hook_z'))
    const before = `blocks.${layer - 1}.hook_resid_post` as const
    if (layer > first) pass.release(resid, before, at('hook_resid_pre'))
    resid = resid_post
  }
  return pass.reaches('ln_final.hook_normalized') ? resid : undefined
}

/**
 * The second half of a block with its sites. @returns resid_post.
 *
 * The session computes `resid_mid = resid_pre + attn_out` inside. Where attn_out or resid_mid is edited it runs twice:
 * once for attn_out, then with the resid_pre that makes its resid_mid the edited one, `resid_mid - attn_out` (equal to
 * within one rounding). Where mlp_out is edited, `resid_post = resid_mid + mlp_out` is computed here.
 */
async function runMlp(
  network: Network,
  pass: Pass,
  at: (hook: BlockHook) => HookName,
  layer: number,
  resid_pre: Float32Array,
  z: Float32Array,
): Promise<Float32Array> {
  const editsMlp = pass.edited(at('hook_mlp_out'))
  const needs = (hook: BlockHook): boolean => pass.wanted(at(hook))
  let input = resid_pre
  let resid_mid: Float32Array | undefined
  if (pass.edited(at('hook_attn_out')) || pass.edited(at('hook_resid_mid'))) {
    const { attn_out } = await network.mlp(layer, resid_pre, z, ['attn_out'])
    const edited = await pass.visit(at('hook_attn_out'), attn_out.slice())
    resid_mid = await pass.visit(at('hook_resid_mid'), sum(resid_pre, edited, 1))
    input = sum(resid_mid, attn_out, -1)
  }
  const wanted: MlpOutput[] = []
  if (resid_mid === undefined && needs('hook_attn_out')) wanted.push('attn_out')
  const readsMid = needs('hook_resid_mid') || needs('ln2.hook_normalized') || editsMlp
  if (resid_mid === undefined && readsMid) wanted.push('resid_mid')
  if (needs('hook_mlp_out') || editsMlp) wanted.push('mlp_out')
  if (!editsMlp) wanted.push('resid_post')
  const out: Partial<Record<MlpOutput, Float32Array>> = await network.mlp(layer, input, z, wanted)

  if (out.attn_out !== undefined) await visitLast(pass, at('hook_attn_out'), out.attn_out)
  if (out.resid_mid !== undefined) resid_mid = await pass.visit(at('hook_resid_mid'), out.resid_mid)
  if (resid_mid !== undefined && needs('ln2.hook_normalized'))
    await visitLast(pass, at('ln2.hook_normalized'), normalize(resid_mid, network.config))
  if (out.mlp_out !== undefined) await visitLast(pass, at('hook_mlp_out'), out.mlp_out)
  const resid_post = out.resid_post ?? sum(resid_mid!, out.mlp_out!, 1)
  if (resid_mid !== undefined) pass.release(resid_mid, at('hook_resid_mid'))
  return pass.visit(at('hook_resid_post'), resid_post)
}

/** Visits a site from whose array the pass does not go on, unless the site is edited. */
async function visitLast(pass: Pass, site: HookName, array: Float32Array): Promise<void> {
  await pass.visit(site, array)
  pass.release(array, site)
}

/**
 * The same where attention and MLP read resid_pre side by side: `resid_post = resid_pre + attn_out + mlp_out`, computed here
 * where one of them is edited.
 */
async function runParallel(
  network: Network,
  pass: Pass,
  at: (hook: BlockHook) => HookName,
  layer: number,
  resid_pre: Float32Array,
  z: Float32Array,
): Promise<Float32Array> {
  const edits = pass.edited(at('hook_attn_out')) || pass.edited(at('hook_mlp_out'))
  const needs = (hook: BlockHook): boolean => edits || pass.wanted(at(hook))
  const wanted: MlpOutput[] = edits ? [] : ['resid_post']
  if (needs('hook_attn_out')) wanted.push('attn_out')
  if (needs('hook_mlp_out')) wanted.push('mlp_out')
  const out: Partial<Record<MlpOutput, Float32Array>> = await network.mlp(
    layer,
    resid_pre,
    z,
    wanted,
  )

  const visit = async (
    hook: BlockHook,
    array: Float32Array | undefined,
  ): Promise<Float32Array | undefined> => array && pass.visit(at(hook), array)
  const attn_out = await visit('hook_attn_out', out.attn_out)
  if (pass.wanted(at('ln2.hook_normalized'))) {
    await visitLast(pass, at('ln2.hook_normalized'), normalize(resid_pre, network.config))
  }
  const mlp_out = await visit('hook_mlp_out', out.mlp_out)
  const resid_post = out.resid_post ?? sum(sum(resid_pre, attn_out!, 1), mlp_out!, 1)
  if (attn_out !== undefined) pass.release(attn_out, at('hook_attn_out'))
  if (mlp_out !== undefined) pass.release(mlp_out, at('hook_mlp_out'))
  return pass.visit(at('hook_resid_post'), resid_post)
}

/** Learned positions, where a model has them, added to every sequence's rows in a new array. */
async function addPositions(
  network: Network,
  embedded: Float32Array,
  { seq_len }: TokenBatch,
  start: number,
): Promise<Float32Array> {
  if (network.positions === undefined) return embedded
  const rows = await network.positions(start, seq_len)
  return embedded.map((value, i) => value + rows[i % rows.length]!)
}

/** `a + sign * b`. */
function sum(a: Float32Array, b: Float32Array, sign: 1 | -1): Float32Array {
  const out = new Float32Array(a.length)
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + sign * b[i]!
  return out
}
