/**
 * Gemma Scope's params.npz and the names of its folders: `<repo>/layer_12/width_16k/average_l0_82/params.npz`.
 *
 * The site is in the repository's name (`gemma-scope-2b-pt-res`, `-mlp`, `-att`, `-transcoders`); the weights take raw
 * activations. A transcoder has the same five arrays; it reads the MLP's input without the norm's gain and writes its output.
 * Embedding SAEs are not read here. TopK and W_skip have no place in this layout.
 * Source: huggingface.co/google/gemma-scope; arXiv:2408.05147, section 3.1 and appendix B.
 */

import { FormatError, fromFloat32, type Tensor, toFloat32 } from '../formats/index.ts'
import type { BlockHook, HookName } from '../model/index.ts'
import { checkShapes } from './check.ts'
import { outputSite, weightShapes } from './shapes.ts'
import { widthName } from './suite.ts'
import type { Sae } from './types.ts'

/** The site read, and for transcoders the one written, by the ending of a repository's name. */
const SITES = {
  res: ['hook_resid_post'],
  mlp: ['hook_mlp_out'],
  att: ['attn.hook_z'],
  transcoders: ['ln2.hook_normalized', 'hook_mlp_out'],
} as const satisfies Record<string, readonly [BlockHook, BlockHook?]>
type Ending = keyof typeof SITES
const ENDINGS = Object.keys(SITES) as Ending[]

/** Where an SAE reads, and where it writes if it is a transcoder. */
export type GemmaScopeSites = { readonly hook_name: HookName; readonly hook_name_out?: HookName }

const PARAMS = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'] as const
type Param = (typeof PARAMS)[number]

/** File name of the weights. */
export const GEMMA_SCOPE_FILE = 'params.npz'

/**
 * The sites of an SAE, from the path of its params.npz: the layer from `layer_12`, the kind from a folder ending in
 * `res`, `mlp`, `att` or `transcoders`.
 * @throws TypeError if the path does not tell; then give the hook.
 */
export function gemmaScopeSites(path: string): GemmaScopeSites {
  const parts = path.split(/[\\/]/)
  const layer = parts.map((part) => /^layer_(\d+)$/.exec(part)?.[1]).find((found) => found)
  const named = new RegExp(`(?:^|[-_])(${ENDINGS.join('|')})$`)
  const found = parts.map((part) => named.exec(part)?.[1]).findLast((end) => end)
  const ending = ENDINGS.find((end) => end === found)
  if (layer === undefined || ending === undefined) {
    throw new TypeError(
      `${path}: the path does not tell the SAE's site; expected <name>-${ENDINGS.join(', -')}, then layer_<number>. ` +
        'Give the hook, e.g. blocks.12.hook_resid_post.',
    )
  }
  const [hook, hook_out] = SITES[ending].map((site) => `blocks.${Number(layer)}.${site}` as const)
  return { hook_name: hook!, ...(hook_out === undefined ? {} : { hook_name_out: hook_out }) }
}

/**
 * The folder of an SAE below a root, as Google's repositories lie side by side:
 * `<root>-res/layer_3/width_2k/average_l0_32`. A root that ends in the site already stays as it is.
 * @param average_l0 measured mean number of active latents; rounded for the name.
 * @throws TypeError for an architecture or for sites that Gemma Scope does not have.
 */
export function gemmaScopeFolder(root: string, sae: Sae, average_l0: number): string {
  const { architecture, hook_name, d_sae, transcoder } = sae
  const keep = "Keep this SAE in SAELens's layout."
  if (architecture !== 'jumprelu') {
    throw new TypeError(
      `Gemma Scope's layout holds thresholds, so it has no place for the architecture ${architecture} of the SAE at ${hook_name}. ${keep}`,
    )
  }
  if (transcoder?.W_skip !== undefined) {
    throw new TypeError(
      `Gemma Scope's layout has no place for W_skip of the transcoder at ${hook_name}. ${keep}`,
    )
  }
  const layer = /^blocks\.(\d+)\./.exec(hook_name)?.[1]
  const sites = [hook_name, ...(transcoder === undefined ? [] : [transcoder.hook_name_out])]
  const named = (end: Ending) => SITES[end].map((site) => `blocks.${layer}.${site}`).join()
  const ending = ENDINGS.find((end) => named(end) === sites.join())
  if (ending === undefined) {
    const names = ENDINGS.map((end) => SITES[end].join(' to '))
    throw new TypeError(
      `Gemma Scope's layout has no name for ${sites.join(' to ')}; it has ${names.join(', ')} of a block. ${keep}`,
    )
  }
  const repository = root.endsWith(`-${ending}`) ? root : `${root}-${ending}`
  return `${repository}/layer_${layer}/width_${widthName(d_sae)}/average_l0_${Math.round(average_l0)}`
}

/**
 * An SAE from the arrays of a params.npz.
 *
 * Gemma Scope's encoder is `(pre > threshold) * relu(pre)`; a negative threshold becomes 0, which is the same.
 * @throws FormatError for missing, unknown or misshapen arrays, RangeError for numbers that are not finite.
 */
export function parseGemmaScope(
  params: ReadonlyMap<string, Tensor>,
  { hook_name, hook_name_out }: GemmaScopeSites,
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
  const [d_in, d_sae] = matrixShape(params, 'W_enc', where)
  const [, d_dec] = matrixShape(params, 'W_dec', where)
  const d_out = hook_name_out === undefined ? d_in : d_dec
  const shapes = weightShapes(d_in, d_sae, d_out)
  const load = (name: Param) => {
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
    ...(hook_name_out === undefined ? {} : { transcoder: { hook_name_out, d_out } }),
    metadata: { source: where },
  }
  checkShapes(sae, where)
  return sae
}

/** The arrays of params.npz, F32, in Google's order. */
export function gemmaScopeTensors(sae: Sae): [string, Tensor][] {
  const shapes = weightShapes(sae.d_in, sae.d_sae, outputSite(sae).d)
  return PARAMS.map((name) => [name, fromFloat32(sae[name], shapes[name])])
}

function matrixShape(
  params: ReadonlyMap<string, Tensor>,
  name: Param,
  where: string,
): readonly [number, number] {
  const { shape } = params.get(name)!
  const [rows, columns] = shape
  if (rows !== undefined && columns !== undefined && shape.length === 2) return [rows, columns]
  throw new FormatError(where, `${name} has shape [${shape.join(', ')}], expected a matrix.`)
}
