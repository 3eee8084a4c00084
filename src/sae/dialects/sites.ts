/** Hook sites by the names that other projects give them. */

import { FormatError, quote } from '../../formats/index.ts'
import type { BlockHook, HookName, MlpNorm } from '../../model/index.ts'
import type { ReadSaeOptions, Sites } from './published.ts'

/** Gemma Scope 2's module paths, below `model.layers.{i}.`. */
const GEMMA_POINTS: Readonly<Record<string, BlockHook>> = {
  output: 'hook_resid_post',
  'self_attn.o_proj.input': 'attn.hook_z',
  'post_feedforward_layernorm.output': 'hook_mlp_out',
  'pre_feedforward_layernorm.output': 'ln2.hook_normalized',
}

/**
 * The site of a module's input or output in Transformers' Gemma 3.
 * @throws FormatError for a point that is no site of Hooke's.
 */
export function gemmaPoint(point: unknown, path: string, field: string): HookName {
  const [, number, rest] =
    /^model\.(?:language_model\.)?layers\.(0|[1-9]\d*)\.(.+)$/.exec(
      typeof point === 'string' ? point : '',
    ) ?? []
  const site =
    rest !== undefined && Object.hasOwn(GEMMA_POINTS, rest) ? GEMMA_POINTS[rest] : undefined
  if (site === undefined) {
    throw new FormatError(
      path,
      `has ${field} ${quote(point)}, expected model.layers.<number>. and one of ${Object.keys(GEMMA_POINTS).join(', ')}.`,
    )
  }
  return `blocks.${Number(number)}.${site}`
}

/** A module of a block by the last part of its path, whatever the family calls it. */
const MODULES: Readonly<Record<string, BlockHook>> = {
  '': 'hook_resid_post',
  mlp: 'hook_mlp_out',
  self_attn: 'hook_attn_out',
  attention: 'hook_attn_out',
  attn: 'hook_attn_out',
}

/**
 * The site of a module's output, by its path: `layers.10`, `layers.10.mlp`, `gpt_neox.layers.3`, `h.7.attn`, `embed_tokens`.
 * @returns undefined if the path names no module that is a site of Hooke's.
 */
export function moduleSite(path: string): HookName | undefined {
  if (/^(?:\w+\.)*(?:embed_tokens|wte|embed_in)$/.test(path)) return 'hook_embed'
  const [, layer, module = ''] = /^(?:\w+\.)*(?:layers|h)[._](\d+)(?:\.(\w+))?$/.exec(path) ?? []
  if (layer === undefined || !Object.hasOwn(MODULES, module)) return undefined
  return `blocks.${Number(layer)}.${MODULES[module]!}`
}

/**
 * The sites that a person named, which must say of an SAE what its files say: whether it writes another site than it reads.
 * @returns undefined where none were named.
 * @throws FormatError otherwise.
 */
export function toldSites(
  { sites }: ReadSaeOptions,
  isTranscoder: boolean,
  where: string,
): Sites | undefined {
  if (sites === undefined || (sites.hook_name_out !== undefined) === isTranscoder) return sites
  throw new FormatError(
    where,
    isTranscoder
      ? 'is a transcoder. Give the site that it writes too.'
      : `is no transcoder, so it cannot read ${sites.hook_name} and write ${sites.hook_name_out}. Give one site.`,
  )
}

/** The block whose MLP norm an SAE of this site would read behind, were it behind the gain. */
export function normLayer({ hook_name }: Sites): number | undefined {
  const [, layer] = /^blocks\.(\d+)\.ln2\.hook_normalized$/.exec(hook_name) ?? []
  return layer === undefined ? undefined : Number(layer)
}

/**
 * The norm before a block's MLP, for an SAE that reads behind its gain.
 * @throws FormatError if no model is at hand, or the norm has another width.
 */
export async function requireMlpNorm(
  options: ReadSaeOptions,
  layer: number,
  d_in: number,
  where: string,
): Promise<MlpNorm> {
  if (options.mlpNorm === undefined) {
    throw new FormatError(
      where,
      `reads what the norm before the MLP of block ${layer} puts out, with its gain; Hooke's site blocks.${layer}.ln2.hook_normalized is without. ` +
        'Name the model it was trained on, so that the gain can be folded into the weights.',
    )
  }
  const norm = await options.mlpNorm(layer)
  if (norm.gain.length === d_in) return norm
  throw new FormatError(
    where,
    `has d_in ${d_in}, but the model's norm before the MLP of block ${layer} has ${norm.gain.length} gains. Was it trained on another model?`,
  )
}

/**
 * Whether what a module of a block puts out is what is added to the residual stream there, as Hooke's sites are.
 * @returns a note where no model is at hand to tell; nothing for other sites, or sites that a person named.
 * @throws FormatError if the model has a norm in between.
 */
export async function checkModuleOutput(
  { hook_name, hook_name_out }: Sites,
  options: ReadSaeOptions,
  where: string,
): Promise<string[]> {
  const [, layer] = /^blocks\.(\d+)\.hook_(?:mlp|attn)_out$/.exec(hook_name_out ?? hook_name) ?? []
  if (options.sites !== undefined || layer === undefined) return []
  const norm = await options.mlpNorm?.(Number(layer))
  if (norm?.has_post_norm) {
    throw new FormatError(
      where,
      'writes what the module puts out, but in this model a norm follows before the residual stream, and Hooke has its sites behind that norm only.',
    )
  }
  return norm === undefined
    ? [
        'It is assumed that no norm follows the module before the residual stream, as one does in Gemma 2 and 3.',
      ]
    : []
}
