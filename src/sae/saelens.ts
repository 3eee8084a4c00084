/**
 * sae_weights.safetensors of SAELens 6, as that program writes and loads it beside cfg.json (`saelensConfig.ts`).
 *
 * Values to and from tensors; `disk.ts` does the reading and writing. W_enc, b_enc, W_dec and b_dec have our shapes;
 * `threshold` is there for JumpReLU only. W_skip lies transposed there, [d_out, d_in], applied as `x W_skip^T`.
 * Source: SAELens 6.49, `saes/sae.py` (`SAE.save_model`), `saes/topk_sae.py`, `saes/transcoder.py` (`SkipTranscoder`).
 */

import { FormatError, fromFloat32, type Tensor, type TensorFile } from '../formats/index.ts'
import { checkShapes } from './check.ts'
import {
  type Draft,
  foldDecoderNorms,
  foldGate,
  foldInputBias,
  foldScale,
  multiply,
} from './dialects/fold.ts'
import {
  checkTensors,
  readFloats,
  readTurned,
  type TensorSpec,
  transpose,
} from './dialects/tensors.ts'
import { parseSaelensConfig, type SaelensConfig } from './saelensConfig.ts'
import { outputSite, WEIGHT_NAMES, type WeightName, weightOf, weightShapes } from './shapes.ts'
import type { Sae } from './types.ts'

/** The tensors of sae_weights.safetensors, F32. */
export function saelensTensors(sae: Sae): [WeightName, Tensor][] {
  const { architecture, d_in, d_sae } = sae
  const { d: d_out } = outputSite(sae)
  const shapes = saelensShapes(d_in, d_sae, d_out)
  return WEIGHT_NAMES.flatMap((name): [WeightName, Tensor][] => {
    const numbers = weightOf(sae, name)
    if (numbers === undefined || (name === 'threshold' && architecture === 'topk')) return []
    const there = name === 'W_skip' ? transpose(numbers, d_in, d_out) : numbers
    return [[name, fromFloat32(there, shapes[name])]]
  })
}

/**
 * An SAE from its configuration and weights.
 *
 * Folded away exactly, and said in `metadata.notes`: a gate; `apply_b_dec_to_input: true`; a `finetuning_scaling_factor`;
 * `rescale_acts_by_decoder_norm: true`; `normalize_activations: "expected_average_only_in"`. A negative threshold becomes
 * 0, which is how SAELens applies it; ReLU becomes JumpReLU with thresholds 0.
 * @param config what cfg.json holds.
 * @param where the folder, for messages.
 * @param scaling_factor of activations, needed where they are normalised.
 * @throws FormatError for an architecture, normalization or field that Hooke does not read, a missing or unknown tensor, or
 *   one of another shape or type; RangeError for numbers that are not finite, or a k that d_sae cannot have.
 */
export async function parseSaelens(
  config: unknown,
  weights: TensorFile,
  where: string,
  scaling_factor?: number,
): Promise<Sae> {
  const parsed = parseSaelensConfig(config, where)
  const { activation, hook_name, d_in, d_sae, k, transcoder, metadata } = parsed
  const d_out = transcoder?.d_out ?? d_in
  checkTensors(weights, specsOf(parsed), `a SAELens SAE of ${d_in} x ${d_sae}`)
  const draft: Draft = {
    d_in,
    d_sae,
    d_out,
    W_enc: await readFloats(weights, 'W_enc'),
    b_enc: await readFloats(weights, activation === 'gated' ? 'b_gate' : 'b_enc'),
    W_dec: await readFloats(weights, 'W_dec'),
    b_dec: await readFloats(weights, 'b_dec'),
    threshold:
      activation === 'jumprelu' ? await readFloats(weights, 'threshold') : new Float32Array(d_sae),
    ...(transcoder?.hasSkip ? { W_skip: await readTurned(weights, 'W_skip') } : {}),
  }
  const notes = await fold(draft, parsed, weights, where, scaling_factor)
  const { W_enc, b_enc, W_dec, b_dec, threshold, W_skip } = draft
  const before = Array.isArray(metadata.notes) ? metadata.notes : []
  const sae: Sae = {
    architecture: activation === 'topk' ? 'topk' : 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc,
    b_enc,
    W_dec,
    b_dec,
    threshold: threshold.map((theta) => Math.max(0, theta)),
    ...(k === undefined ? {} : { k }),
    ...(transcoder === undefined
      ? {}
      : {
          transcoder: {
            hook_name_out: transcoder.hook_name_out,
            d_out,
            ...(W_skip === undefined ? {} : { W_skip }),
          },
        }),
    metadata: notes.length === 0 ? metadata : { ...metadata, notes: [...before, ...notes] },
  }
  checkShapes(sae, where)
  return sae
}

/** Our shapes, but for W_skip. */
function saelensShapes(
  d_in: number,
  d_sae: number,
  d_out: number,
): Record<WeightName, readonly number[]> {
  return { ...weightShapes(d_in, d_sae, d_out), W_skip: [d_out, d_in] }
}

function specsOf({
  activation,
  d_in,
  d_sae,
  transcoder,
}: SaelensConfig): Record<string, TensorSpec> {
  const shapes = saelensShapes(d_in, d_sae, transcoder?.d_out ?? d_in)
  const isAbsent: Partial<Record<WeightName, boolean>> = {
    b_enc: activation === 'gated',
    threshold: activation !== 'jumprelu',
    W_skip: transcoder?.hasSkip !== true,
  }
  const names = WEIGHT_NAMES.filter((name) => isAbsent[name] !== true)
  const latents = (isOptional: boolean): TensorSpec => ({
    shape: [d_sae],
    ...(isOptional ? { isOptional } : {}),
  })
  return {
    ...Object.fromEntries(names.map((name) => [name, { shape: shapes[name] }])),
    ...(activation === 'gated'
      ? { b_gate: latents(false), r_mag: latents(false), b_mag: latents(false) }
      : {}),
    ...Object.fromEntries(SCALES.map((name) => [name, latents(true)])),
  }
}

/** Names of the factors of acts before decoding, in versions 3 and 4, and 5. */
const SCALES = ['scaling_factor', 'finetuning_scaling_factor'] as const

/** What SAELens does when it runs the SAE, done to the weights once. */
async function fold(
  draft: Draft,
  parsed: SaelensConfig,
  weights: TensorFile,
  where: string,
  scaling_factor: number | undefined,
): Promise<string[]> {
  const notes: string[] = []
  if (parsed.activation === 'gated') {
    const [r_mag, b_mag] = [await readFloats(weights, 'r_mag'), await readFloats(weights, 'b_mag')]
    notes.push(foldGate(draft, r_mag, b_mag))
  }
  if (parsed.apply_b_dec_to_input) notes.push(foldInputBias(draft))
  if (parsed.rescale_acts_by_decoder_norm) notes.push(foldDecoderNorms(draft))
  notes.push(...(await foldFinetuning(draft, parsed, weights)))
  if (!parsed.isScaled) return notes
  if (scaling_factor === undefined) {
    throw new FormatError(
      where,
      'multiplies activations by a factor that brings their mean norm to sqrt(d_in) ("expected_average_only_in"), but there is no activation_scaler.json with "scaling_factor". ' +
        'Copy it too, or fold the factor into the weights with SAELens (fold_activation_norm_scaling_factor) and save it again.',
    )
  }
  notes.push(foldScale(draft, scaling_factor))
  return notes
}

/** `recon = (acts * scale) W_dec + b_dec`: rows of W_dec times the scale. Ones are left in files where nothing was tuned. */
async function foldFinetuning(
  { W_dec, d_out }: Draft,
  { isFinetuned }: SaelensConfig,
  weights: TensorFile,
): Promise<string[]> {
  const name = SCALES.find((known) => weights.tensors.has(known))
  if (name === undefined) return []
  const scales = await readFloats(weights, name)
  if (scales.every((scale) => scale === 1)) return []
  if (!isFinetuned) {
    throw new FormatError(
      weights.name,
      `holds ${name} other than 1, but cfg.json does not say finetuning_scaling_factor, so it is not clear whether it applies.`,
    )
  }
  scales.forEach((scale, latent) => {
    multiply(W_dec.subarray(latent * d_out, (latent + 1) * d_out), scale)
  })
  return ['Activations are scaled before decoding there: folded into the rows of W_dec.']
}
