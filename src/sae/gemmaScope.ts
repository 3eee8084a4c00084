/**
 * Gemma Scope's params.npz and the names of its folders: `<repo>/layer_12/width_16k/average_l0_82/params.npz`.
 *
 * The site is in the repository's name (`gemma-scope-2b-pt-res`, `-mlp`, `-att`); an SAE's weights take raw activations.
 * Transcoders and embedding SAEs are not read here.
 * Source: huggingface.co/google/gemma-scope; arXiv:2408.05147.
 */

import { FormatError, fromFloat32, type Tensor, toFloat32 } from '../formats/index.ts'
import type { HookName } from '../model/index.ts'
import { checkShapes } from './check.ts'
import { widthName } from './suite.ts'
import type { Sae } from './types.ts'

/** Sites by the ending of a repository's name. */
const SITES = { res: 'hook_resid_post', mlp: 'hook_mlp_out', att: 'attn.hook_z' } as const
type Site = keyof typeof SITES

const PARAMS = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'] as const

/** File name of the weights. */
export const GEMMA_SCOPE_FILE = 'params.npz'

/**
 * The site of an SAE, from the path of its params.npz: the layer from `layer_12`, the kind from a folder ending in
 * `res`, `mlp` or `att`.
 * @throws TypeError if the path does not tell; then give the hook.
 */
export function gemmaScopeHook(path: string): HookName {
  const parts = path.split(/[\\/]/)
  const layer = parts.map((part) => /^layer_(\d+)$/.exec(part)?.[1]).find((found) => found)
  const site = parts
    .map((part) => /(?:^|[-_])(res|mlp|att)$/.exec(part)?.[1])
    .findLast((found) => found)
  if (layer === undefined || site === undefined) {
    throw new TypeError(
      `${path}: the path does not tell the SAE's site; expected <name>-res, -mlp or -att, then layer_<number>. ` +
        'Give the hook, e.g. blocks.12.hook_resid_post.',
    )
  }
  return `blocks.${Number(layer)}.${SITES[site as Site]}`
}

/**
 * The folder of an SAE below a root, as Google's repositories lie side by side:
 * `<root>-res/layer_3/width_2k/average_l0_32`. A root that ends in the site already stays as it is.
 * @param average_l0 measured mean number of active latents; rounded for the name.
 * @throws TypeError for a site that Gemma Scope does not have.
 */
export function gemmaScopeFolder(root: string, sae: Sae, average_l0: number): string {
  const [, layer, site] = /^blocks\.(\d+)\.(.+)$/.exec(sae.hook_name) ?? []
  const ending = (Object.keys(SITES) as Site[]).find((key) => SITES[key] === site)
  if (layer === undefined || ending === undefined) {
    throw new TypeError(
      `Gemma Scope's layout has no name for ${sae.hook_name}; it has ${Object.values(SITES).join(', ')} of a block. ` +
        "Keep this SAE in SAELens's layout.",
    )
  }
  const repository = root.endsWith(`-${ending}`) ? root : `${root}-${ending}`
  return `${repository}/layer_${layer}/width_${widthName(sae.d_sae)}/average_l0_${Math.round(average_l0)}`
}

/**
 * An SAE from the arrays of a params.npz.
 *
 * Gemma Scope's encoder is `(pre > threshold) * relu(pre)`; a negative threshold becomes 0, which is the same.
 * @throws FormatError for missing, unknown or misshapen arrays, RangeError for numbers that are not finite.
 */
export function parseGemmaScope(
  params: ReadonlyMap<string, Tensor>,
  hook_name: HookName,
  where: string,
): Sae {
  const unknown = [...params.keys()].filter((name) => !PARAMS.includes(name as never))
  const missing = PARAMS.filter((name) => !params.has(name))
  if (unknown.length > 0 || missing.length > 0) {
    throw new FormatError(
      where,
      `holds the arrays ${[...params.keys()].join(', ')}, expected ${PARAMS.join(', ')}. Is it a Gemma Scope SAE?`,
    )
  }
  const W_enc = params.get('W_enc')!
  const [d_in, d_sae] = W_enc.shape
  if (d_in === undefined || d_sae === undefined || W_enc.shape.length !== 2) {
    throw new FormatError(
      where,
      `W_enc has shape [${W_enc.shape.join(', ')}], expected [d_in, d_sae].`,
    )
  }
  const shapes = {
    W_enc: [d_in, d_sae],
    W_dec: [d_sae, d_in],
    b_enc: [d_sae],
    b_dec: [d_in],
    threshold: [d_sae],
  }
  const load = (name: (typeof PARAMS)[number]) => {
    const tensor = params.get(name)!
    if (tensor.shape.join() === shapes[name].join()) return toFloat32(tensor)
    throw new FormatError(
      where,
      `${name} has shape [${tensor.shape.join(', ')}], expected [${shapes[name].join(', ')}] from W_enc [${d_in}, ${d_sae}].`,
    )
  }
  const sae: Sae = {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: load('W_enc'),
    b_enc: load('b_enc'),
    W_dec: load('W_dec'),
    b_dec: load('b_dec'),
    threshold: load('threshold').map((theta) => Math.max(0, theta)),
    metadata: { source: where },
  }
  checkShapes(sae, where)
  return sae
}

/** The arrays of params.npz, F32, in Google's order. */
export function gemmaScopeTensors(sae: Sae): [string, Tensor][] {
  const { d_in, d_sae } = sae
  const shapes = {
    W_enc: [d_in, d_sae],
    W_dec: [d_sae, d_in],
    b_enc: [d_sae],
    b_dec: [d_in],
    threshold: [d_sae],
  }
  return PARAMS.map((name) => [name, fromFloat32(sae[name], shapes[name])])
}
