/**
 * sae_weights.safetensors of SAELens 6, as that program writes and loads it beside cfg.json (`saelensConfig.ts`).
 *
 * Values to and from tensors; `disk.ts` does the reading and writing. W_enc, b_enc, W_dec and b_dec have our shapes;
 * `threshold` is there for JumpReLU only. W_skip lies transposed there, [d_out, d_in], applied as `x W_skip^T`.
 * Source: SAELens 6.49, `saes/sae.py` (`SAE.save_model`), `saes/topk_sae.py`, `saes/transcoder.py` (`SkipTranscoder`).
 */

import {
  FormatError,
  fromFloat32,
  type SafetensorsFile,
  type Tensor,
  toFloat32,
} from '../formats/index.ts'
import { checkShapes } from './check.ts'
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
 * Folded away exactly, and said in `metadata.folded`: `apply_b_dec_to_input: true` (`b_enc := b_enc - b_dec W_enc`) and
 * `rescale_acts_by_decoder_norm: true` (each latent's encoder times the norm of its decoder row, which becomes 1). A
 * negative threshold becomes 0, which is how SAELens applies it; ReLU becomes JumpReLU with thresholds 0.
 * @param config what cfg.json holds.
 * @param where the folder, for messages.
 * @throws FormatError for an architecture, normalization or field that Hooke does not read, a missing or unknown tensor, or
 *   one of another shape; RangeError for numbers that are not finite, or a k that d_sae cannot have.
 */
export async function parseSaelens(
  config: unknown,
  weights: SafetensorsFile,
  where: string,
): Promise<Sae> {
  const parsed = parseSaelensConfig(config, where)
  const { activation, hook_name, d_in, d_sae, k, metadata } = parsed
  checkTensors(weights, parsed)
  const load = async (name: WeightName) => toFloat32(await weights.read(name))
  const threshold = activation === 'jumprelu' ? await load('threshold') : new Float32Array(d_sae)
  const transcoder = await loadTranscoder(parsed, load)
  const sae: Sae = {
    architecture: activation === 'topk' ? 'topk' : 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: await load('W_enc'),
    b_enc: await load('b_enc'),
    W_dec: await load('W_dec'),
    b_dec: await load('b_dec'),
    threshold: threshold.map((theta) => Math.max(0, theta)),
    ...(k === undefined ? {} : { k }),
    ...(transcoder === undefined ? {} : { transcoder }),
    metadata,
  }
  checkShapes(sae, where)
  return fold(sae, parsed)
}

async function loadTranscoder(
  { d_in, transcoder }: SaelensConfig,
  load: (name: WeightName) => Promise<Float32Array>,
): Promise<Sae['transcoder']> {
  if (transcoder === undefined) return undefined
  const { hook_name_out, d_out, hasSkip } = transcoder
  if (!hasSkip) return { hook_name_out, d_out }
  return { hook_name_out, d_out, W_skip: transpose(await load('W_skip'), d_out, d_in) }
}

/** Our shapes, but for W_skip. */
function saelensShapes(
  d_in: number,
  d_sae: number,
  d_out: number,
): Record<WeightName, readonly number[]> {
  return { ...weightShapes(d_in, d_sae, d_out), W_skip: [d_out, d_in] }
}

function checkTensors(file: SafetensorsFile, parsed: SaelensConfig): void {
  const { activation, d_in, d_sae, transcoder } = parsed
  const shapes = saelensShapes(d_in, d_sae, transcoder?.d_out ?? d_in)
  const isAbsent: Partial<Record<WeightName, boolean>> = {
    threshold: activation !== 'jumprelu',
    W_skip: transcoder?.hasSkip !== true,
  }
  const names = WEIGHT_NAMES.filter((name) => isAbsent[name] !== true)
  for (const name of names) {
    const found = file.tensors.get(name)
    if (found === undefined) {
      throw new FormatError(
        file.name,
        `has no tensor ${name}; this architecture needs ${names.join(', ')}.`,
      )
    }
    const shape = shapes[name]
    if (found.shape.join() !== shape.join()) {
      throw new FormatError(
        file.name,
        `${name} has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}] from the sizes in cfg.json.`,
        { offset_bytes: found.offset },
      )
    }
  }
  const unknown = [...file.tensors.keys()].find((name) => !(names as string[]).includes(name))
  if (unknown !== undefined) {
    throw new FormatError(
      file.name,
      `has the unknown tensor "${unknown}"; this architecture has only ${names.join(', ')}. Is it another one?`,
    )
  }
}

/** What SAELens does when it runs the SAE, done to the weights once. */
function fold(sae: Sae, parsed: SaelensConfig): Sae {
  const centred = parsed.apply_b_dec_to_input ? foldInputBias(sae) : sae
  return parsed.rescale_acts_by_decoder_norm ? foldDecoderNorms(centred) : centred
}

/** `b_enc - b_dec W_enc`, summed in f64. */
function foldInputBias(sae: Sae): Sae {
  const { d_in, d_sae, W_enc, b_dec } = sae
  const b_enc = new Float64Array(sae.b_enc)
  for (let i = 0; i < d_in; i++) {
    for (let latent = 0; latent < d_sae; latent++) {
      b_enc[latent]! -= b_dec[i]! * W_enc[i * d_sae + latent]!
    }
  }
  return { ...sae, b_enc: new Float32Array(b_enc), metadata: said(sae, 'b_enc - b_dec W_enc') }
}

/** Encoder columns times, decoder rows over the norm of the decoder's row; a row of zeros stays. */
function foldDecoderNorms(sae: Sae): Sae {
  const { d_sae, W_enc, b_enc, W_dec } = sae
  const { d } = outputSite(sae)
  const norms = Float64Array.from(
    { length: d_sae },
    (_, latent) => Math.hypot(...W_dec.subarray(latent * d, (latent + 1) * d)) || 1,
  )
  return {
    ...sae,
    W_enc: W_enc.map((value, i) => value * norms[i % d_sae]!),
    b_enc: b_enc.map((value, latent) => value * norms[latent]!),
    W_dec: W_dec.map((value, i) => value / norms[Math.floor(i / d)]!),
    metadata: said(sae, 'encoder times, decoder over the norms of W_dec'),
  }
}

function said({ metadata }: Sae, folded: string): Sae['metadata'] {
  const before = metadata.folded === undefined ? [] : [metadata.folded]
  return { ...metadata, folded: [...before, folded].join('; ') }
}

/** [columns, rows] from [rows, columns]. */
function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(matrix.length)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = matrix[i * columns + j]!
  }
  return turned
}
