/**
 * Gemma Scope's params.npz and the names of its folders: `<repo>/layer_12/width_16k/average_l0_82/params.npz`.
 *
 * The site is in the repository's name (`gemma-scope-2b-pt-res`, `-mlp`, `-att`, `-transcoders`); the weights take raw
 * activations. A transcoder has the same five arrays; it reads the MLP's input without the norm's gain and writes its output.
 * SAEs of the embedding lie in `embedding/width_4k/...` of a `-res` repository; their encoder takes rows of the embedding as they
 * lie in the checkpoint, before the model multiplies them by sqrt(d_model). TopK and W_skip have no place in this layout.
 * `acts = pre where pre > threshold`, `pre = x W_enc + b_enc`; `recon = acts W_dec + b_dec`.
 * Source: huggingface.co/google/gemma-scope; arXiv:2408.05147, section 3.1 and appendix B.
 */

import { fromFloat32, type Tensor } from '../formats/index.ts'
import type { BlockHook } from '../model/index.ts'
import { finishSae, siteNote } from './dialects/finish.ts'
import { type Draft, multiply } from './dialects/fold.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './dialects/published.ts'
import { checkTensors, matrixSizes, readFloats } from './dialects/tensors.ts'
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

const WHAT = 'a Gemma Scope params.npz'
const PARAMS = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'] as const
type Param = (typeof PARAMS)[number]

/** File name of the weights. */
export const GEMMA_SCOPE_FILE = 'params.npz'

/**
 * The sites of an SAE, from the path of its params.npz: the layer from `layer_12`, the kind from a folder ending in
 * `res`, `mlp`, `att` or `transcoders`; or the embedding, from `embedding/width_4k`.
 * @throws TypeError if the path does not tell; then give the hook.
 */
export function gemmaScopeSites(path: string): Sites {
  if (/(?:^|[\\/])embedding[\\/]width_/.test(path)) return { hook_name: 'hook_embed' }
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
 * For the embedding `W_enc / sqrt(d_in)` and `W_dec sqrt(d_in)`, so that it takes what `hook_embed` holds.
 * @throws FormatError for missing, unknown, misshapen or mistyped arrays, RangeError for numbers that are not finite, TypeError
 *   if neither the options nor the path tell the site.
 */
export async function readGemmaScope(
  { where, weights }: SaeFiles,
  options: ReadSaeOptions,
): Promise<PublishedSae> {
  const sites = options.sites ?? gemmaScopeSites(where)
  const isTranscoder = sites.hook_name_out !== undefined
  const [d_first] = matrixSizes(weights, 'W_enc', WHAT)
  const length = (name: Param) => weights.tensors.get(name)?.shape[0] ?? 0
  const d_out = length('b_dec')
  const d_in = isTranscoder ? d_first : d_out
  const d_sae = length('b_enc')
  const shapes = weightShapes(d_in, d_sae, d_out)
  checkTensors(
    weights,
    Object.fromEntries(PARAMS.map((name) => [name, { shape: shapes[name] }])),
    WHAT,
  )
  const draft: Draft = {
    d_in,
    d_sae,
    d_out,
    W_enc: await readFloats(weights, 'W_enc'),
    b_enc: await readFloats(weights, 'b_enc'),
    W_dec: await readFloats(weights, 'W_dec'),
    b_dec: await readFloats(weights, 'b_dec'),
    threshold: await readFloats(weights, 'threshold'),
  }
  const notes = [
    siteNote(sites, options.sites === undefined ? 'from the path' : 'as told'),
    'The encoder takes raw activations; b_dec is added after decoding only.',
  ]
  if (sites.hook_name === 'hook_embed') {
    const scale = Math.sqrt(d_in)
    multiply(draft.W_enc, 1 / scale)
    multiply(draft.W_dec, scale)
    notes.push(
      `The embedding is scaled by sqrt(${d_in}) in the model, not there: W_enc over, W_dec times it; b_dec as published.`,
    )
  }
  if (sites.hook_name.endsWith('ln2.hook_normalized')) {
    notes.push("It reads the norm's output without the norm's gain, as published.")
  }
  const l0 = /(?:^|[\\/])average_l0_(\d+)(?:[\\/]|$)/.exec(where)?.[1]
  return finishSae(draft, {
    dialect: 'gemma-scope',
    where,
    sites,
    notes,
    l0: l0 === undefined ? undefined : Number(l0),
  })
}

/** The arrays of params.npz, F32, in Google's order. */
export function gemmaScopeTensors(sae: Sae): [string, Tensor][] {
  const shapes = weightShapes(sae.d_in, sae.d_sae, outputSite(sae).d)
  return PARAMS.map((name) => [name, fromFloat32(sae[name], shapes[name])])
}
