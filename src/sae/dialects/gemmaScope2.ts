/**
 * Gemma Scope 2: config.json and params.safetensors, for the residual stream, attention, the MLP, and transcoders with or
 * without an affine skip. Crosscoders and cross-layer transcoders are recognised and refused.
 *
 * `pre = x w_enc + b_enc`, `acts = pre where pre > threshold`, `recon = acts w_dec + b_dec (+ x affine_skip_connection)`, the skip
 * not transposed. `attn_out` is the input of o_proj; a transcoder reads behind the gain of the norm before the MLP.
 * Source: google/gemma-scope-2-* on the Hugging Face Hub, their config.json.
 */

import { FormatError, quote } from '../../formats/index.ts'
import { record, unknownField } from './config.ts'
import { finishSae, siteNote } from './finish.ts'
import { type Draft, foldInputNorm } from './fold.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './published.ts'
import { gemmaPoint, normLayer, requireMlpNorm, toldSites } from './sites.ts'
import { checkTensors, matrixSizes, readFloats } from './tensors.ts'

const WHAT = 'a Gemma Scope 2 SAE'
const FIELDS = [
  'hf_hook_point_in',
  'hf_hook_point_out',
  'width',
  'model_name',
  'architecture',
  'l0',
  'affine_connection',
  'type',
] as const
const SKIP = 'affine_skip_connection'

/** What config.json says, checked against the weights' names. */
type Described = {
  readonly sites: Sites
  /** What it reads is a norm's output with its gain, which Hooke's site does not have. */
  readonly isBehindGain: boolean
  readonly hasSkip: boolean
  readonly d_in: number
  readonly d_sae: number
  readonly l0?: number
  readonly model_name?: string
}

/** @throws FormatError for another type, field or site. */
export function readGemmaScope2Config(files: SaeFiles): Described {
  const { weights } = files
  const { path, value } = record(files, 'config.json', WHAT)
  const fail = (message: string) => new FormatError(path, message)
  refuseManyLayers(value, files)
  const unknown = unknownField(value, FIELDS)
  if (unknown !== undefined)
    throw fail(`has the unknown field ${quote(unknown)}, which may change what the weights mean.`)
  if (value.architecture !== 'jump_relu') {
    throw fail(`has architecture ${quote(value.architecture)}, expected "jump_relu".`)
  }
  const [d_in, d_sae] = matrixSizes(weights, 'w_enc', WHAT)
  const hasSkip = weights.tensors.has(SKIP)
  if (value.width !== d_sae) {
    throw fail(
      `says the width is ${quote(value.width)}, but w_enc is [${d_in}, ${d_sae}], expected [d_in, width]. Do the files belong together?`,
    )
  }
  if ((value.affine_connection ?? false) !== hasSkip) {
    throw fail(
      `has affine_connection ${quote(value.affine_connection)}, but the weights ${hasSkip ? 'have' : 'lack'} ${SKIP}.`,
    )
  }
  const input = gemmaPoint(value.hf_hook_point_in, path, 'hf_hook_point_in')
  const output = gemmaPoint(
    value.hf_hook_point_out ?? value.hf_hook_point_in,
    path,
    'hf_hook_point_out',
  )
  const isTranscoder = input !== output
  if (isTranscoder !== (value.type === 'transcoder')) {
    throw fail(`is of type ${quote(value.type)}, but reads ${input} and writes ${output}.`)
  }
  return {
    sites: { hook_name: input, ...(isTranscoder ? { hook_name_out: output } : {}) },
    isBehindGain: normLayer({ hook_name: input }) !== undefined,
    hasSkip,
    d_in,
    d_sae,
    ...(typeof value.l0 === 'number' ? { l0: value.l0 } : {}),
    ...(typeof value.model_name === 'string' ? { model_name: value.model_name } : {}),
  }
}

/** @throws as `readGemmaScope2Config`, FormatError for another tensor, RangeError for numbers that are not finite. */
export async function readGemmaScope2(
  files: SaeFiles,
  options: ReadSaeOptions,
): Promise<PublishedSae> {
  const { where, weights } = files
  const described = readGemmaScope2Config(files)
  const { d_in, d_sae, hasSkip, isBehindGain, l0, model_name } = described
  const isTranscoder = described.sites.hook_name_out !== undefined
  const [, d_out] = matrixSizes(weights, 'w_dec', WHAT)
  checkTensors(
    weights,
    {
      w_enc: { shape: [d_in, d_sae] },
      b_enc: { shape: [d_sae] },
      w_dec: { shape: [d_sae, isTranscoder ? d_out : d_in] },
      b_dec: { shape: [isTranscoder ? d_out : d_in] },
      threshold: { shape: [d_sae] },
      ...(hasSkip ? { [SKIP]: { shape: [d_in, d_out] } } : {}),
    },
    WHAT,
  )
  const draft: Draft = {
    d_in,
    d_sae,
    d_out,
    W_enc: await readFloats(weights, 'w_enc'),
    b_enc: await readFloats(weights, 'b_enc'),
    W_dec: await readFloats(weights, 'w_dec'),
    b_dec: await readFloats(weights, 'b_dec'),
    threshold: await readFloats(weights, 'threshold'),
    ...(hasSkip ? { W_skip: await readFloats(weights, SKIP) } : {}),
  }
  const sites = toldSites(options, isTranscoder, where) ?? described.sites
  const notes = [
    siteNote(sites, options.sites === undefined ? 'from config.json' : 'as told'),
    'The encoder takes raw activations; b_dec is added after decoding only.',
  ]
  const layer = isBehindGain ? normLayer(sites) : undefined
  if (layer !== undefined) {
    const { gain, bias } = await requireMlpNorm(options, layer, d_in, where)
    notes.push(foldInputNorm(draft, gain, bias))
  }
  if (hasSkip) notes.push('The affine skip is applied as x W, not transposed.')
  return finishSae(draft, { dialect: 'gemma-scope-2', where, sites, notes, l0, model_name })
}

/** Dictionaries over several layers: weights of three axes or more, or a type that says so. */
function refuseManyLayers(
  value: Readonly<Record<string, unknown>>,
  { where, weights }: SaeFiles,
): void {
  const axes = Math.max(
    ...['w_enc', 'w_dec'].map((name) => weights.tensors.get(name)?.shape.length ?? 0),
  )
  if (axes < 3 && (value.type === 'sae' || value.type === 'transcoder')) return
  throw new FormatError(
    where,
    `is ${value.type === undefined ? 'of no type' : `of type ${quote(value.type)}`}, with weights of ${axes} axes: crosscoders and cross-layer transcoders read or write several layers at once, ` +
      'which Hooke does not run. Take an SAE or a transcoder of one layer.',
  )
}
