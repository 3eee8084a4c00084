/** Hook names: TransformerLens's grammar, as a type that a wrong name does not pass. */

import picomatch from 'picomatch'
import type { ModelConfig } from './types.ts'

/** Hook sites inside one block, in the order in which the forward pass reaches them. */
export const BLOCK_HOOKS = [
  'hook_resid_pre',
  'attn.hook_z',
  'hook_attn_out',
  'hook_resid_mid',
  'ln2.hook_normalized',
  'hook_mlp_out',
  'hook_resid_post',
] as const

export type BlockHook = (typeof BLOCK_HOOKS)[number]

/** Whether the forward pass reaches one site before another. */
export function isBefore(one: HookName, other: HookName): boolean {
  const [a, b] = [position(one), position(other)]
  return a.layer < b.layer || (a.layer === b.layer && a.within < b.within)
}

/**
 * Whether a site can be read but not edited: `ln2.hook_normalized`, the MLP's input before the norm's gain (`resid_mid` over
 * its root mean square; where the norm is a LayerNorm, less its mean and over its standard deviation; where blocks are
 * parallel, `resid_pre`), is computed for whoever asks and never goes on. Edit the stream before it or `hook_mlp_out` after it.
 */
export function isReadOnly(hook: HookName): boolean {
  return hook.endsWith('.ln2.hook_normalized')
}

/** A place in the forward pass where activations can be read. */
export type HookName = 'hook_embed' | `blocks.${number}.${BlockHook}` | 'ln_final.hook_normalized'

/**
 * Every hook site of a model, in the order of the pass. Where attention and MLP run side by side (`parallel`), there is no
 * `hook_resid_mid`.
 */
export function hookNames({
  n_layers,
  parallel,
}: Pick<ModelConfig, 'n_layers' | 'parallel'>): HookName[] {
  const sites = BLOCK_HOOKS.filter((hook) => !(parallel && hook === 'hook_resid_mid'))
  const blocks = Array.from({ length: n_layers }, (_, layer) =>
    sites.map((hook) => `blocks.${layer}.${hook}` as const),
  )
  return ['hook_embed', ...blocks.flat(), 'ln_final.hook_normalized']
}

/**
 * The hooks that match any of the globs (`blocks.*.hook_resid_post`, `blocks.{0,3}.*`), in the order of `hooks`, each once.
 * `*` stays within a dot-separated part's text but may match dots too: `blocks.0.*` includes `blocks.0.attn.hook_z`. A site that
 * can only be read is matched only where the glob spells its `ln2`, as `blocks.*.ln2.*` does: a dictionary of it alone
 * could be neither spliced nor steered.
 * @throws RangeError if a glob matches nothing; the message names the nearest hooks.
 */
export function expandHooks(globs: readonly string[], hooks: readonly HookName[]): HookName[] {
  const chosen = new Set<HookName>()
  for (const glob of globs) {
    const matches = picomatch(glob, { dot: true })
    const found = hooks.filter(
      (hook) => matches(hook) && (!isReadOnly(hook) || glob.includes('ln2')),
    )
    if (found.length === 0) {
      throw new RangeError(
        `expandHooks: no hook matches ${JSON.stringify(glob)}. Nearest: ${nearest(glob, hooks).join(', ')}.`,
      )
    }
    for (const hook of found) chosen.add(hook)
  }
  return hooks.filter((hook) => chosen.has(hook))
}

/** `hook_embed` lies before layer 0, `ln_final` after every layer. */
function position(hook: HookName): { readonly layer: number; readonly within: number } {
  const [, layer, site = ''] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? []
  if (layer === undefined) return { layer: hook === 'hook_embed' ? -1 : Infinity, within: 0 }
  return { layer: Number(layer), within: (BLOCK_HOOKS as readonly string[]).indexOf(site) }
}

/** The three hooks with the least edit distance to a name. */
function nearest(name: string, hooks: readonly HookName[]): HookName[] {
  return hooks
    .map((hook, order) => ({ hook, order, distance: editDistance(name, hook) }))
    .sort((a, b) => a.distance - b.distance || a.order - b.order)
    .slice(0, 3)
    .map(({ hook }) => hook)
}

/** Levenshtein's distance: insertions, deletions and substitutions, each of cost 1. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution))
    }
    row = next
  }
  return row[b.length]!
}
