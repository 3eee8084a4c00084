/**
 * SAELens's layout (v6): cfg.json and sae_weights.safetensors, as that program writes and loads them.
 *
 * Values to and from JSON and tensors; `disk.ts` does the reading and writing. v3 to v5 (a flat cfg.json) are not read.
 * Source: SAELens 6, `saes/sae.py` (`SAE.save_model`, `SAEConfig`), `loading/pretrained_sae_loaders.py`.
 */

import {
  FormatError,
  fromFloat32,
  type SafetensorsFile,
  type Tensor,
  toFloat32,
} from '../formats/index.ts'
import { checkShapes, parseHookName } from './check.ts'
import type { Sae } from './types.ts'

/** File names inside an SAE's folder. */
export const SAELENS_FILES = { config: 'cfg.json', weights: 'sae_weights.safetensors' } as const

const WEIGHTS = ['W_enc', 'b_enc', 'W_dec', 'b_dec', 'threshold'] as const
type WeightName = (typeof WEIGHTS)[number]

/** Every field that SAELens 6 writes for a JumpReLU SAE; any other may change what the weights mean. */
const CONFIG_KEYS = new Set([
  'architecture',
  'd_in',
  'd_sae',
  'dtype',
  'device',
  'apply_b_dec_to_input',
  'normalize_activations',
  'reshape_activations',
  'metadata',
])

/** cfg.json of an SAE: what SAELens needs to load it, and its metadata. */
export function saelensConfig(sae: Sae): Record<string, unknown> {
  return {
    architecture: sae.architecture,
    d_in: sae.d_in,
    d_sae: sae.d_sae,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: false,
    normalize_activations: 'none',
    reshape_activations: sae.hook_name.endsWith('attn.hook_z') ? 'hook_z' : 'none',
    metadata: {
      prepend_bos: true,
      ...sae.metadata,
      hook_name: sae.hook_name,
      hook_head_index: null,
    },
  }
}

/** The tensors of sae_weights.safetensors, F32. */
export function saelensTensors(sae: Sae): [WeightName, Tensor][] {
  const shapes = weightShapes(sae.d_in, sae.d_sae)
  return WEIGHTS.map((name) => [name, fromFloat32(sae[name], shapes[name])])
}

/**
 * An SAE from its configuration and weights.
 *
 * `apply_b_dec_to_input: true` is folded away exactly, `b_enc := b_enc - b_dec W_enc`, and said in `metadata.folded`;
 * a negative threshold becomes 0, which is how SAELens applies it.
 * @param config what cfg.json holds.
 * @param where the folder, for messages.
 * @throws FormatError for an architecture, normalization or field that Hooke does not read, a missing or unknown tensor, or
 *   one of another shape; RangeError for numbers that are not finite.
 */
export async function parseSaelens(
  config: unknown,
  weights: SafetensorsFile,
  where: string,
): Promise<Sae> {
  const { d_in, d_sae, apply_b_dec_to_input, metadata } = readConfig(config, where)
  const hook_name = parseHookName(metadata.hook_name, where)
  checkTensors(weights, weightShapes(d_in, d_sae))
  const load = async (name: WeightName) => toFloat32(await weights.read(name))
  const sae: Sae = {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: await load('W_enc'),
    b_enc: await load('b_enc'),
    W_dec: await load('W_dec'),
    b_dec: await load('b_dec'),
    threshold: (await load('threshold')).map((theta) => Math.max(0, theta)),
    metadata: apply_b_dec_to_input ? { ...metadata, folded: 'b_enc - b_dec W_enc' } : metadata,
  }
  checkShapes(sae, where)
  return apply_b_dec_to_input ? { ...sae, b_enc: foldInputBias(sae) } : sae
}

type SaelensConfig = {
  readonly d_in: number
  readonly d_sae: number
  readonly apply_b_dec_to_input: boolean
  readonly metadata: Record<string, unknown>
}

function readConfig(value: unknown, where: string): SaelensConfig {
  const fail = (message: string) => new FormatError(`${where}/${SAELENS_FILES.config}`, message)
  if (!isRecord(value)) throw fail('is not a JSON object.')
  if (!isRecord(value.metadata)) {
    throw fail(
      'has no "metadata": it was written by SAELens 3 to 5. Load it with SAELens 6 and save it again.',
    )
  }
  if (value.architecture !== 'jumprelu') {
    throw fail(
      `has architecture ${JSON.stringify(value.architecture)}; Hooke reads "jumprelu" (SAELens saves BatchTopK and Matryoshka SAEs as that too).`,
    )
  }
  const unknown = Object.keys(value).filter((key) => !CONFIG_KEYS.has(key))
  if (unknown.length > 0) {
    throw fail(
      `has the unknown field "${unknown[0]}", which may change what the weights mean. Remove it if it does not.`,
    )
  }
  const { d_in, d_sae, metadata } = value
  const apply_b_dec_to_input = value.apply_b_dec_to_input ?? true
  if (!isSize(d_in) || !isSize(d_sae)) {
    throw fail(
      `has d_in ${JSON.stringify(d_in)} and d_sae ${JSON.stringify(d_sae)}, expected two sizes.`,
    )
  }
  if (typeof apply_b_dec_to_input !== 'boolean') {
    throw fail('has an apply_b_dec_to_input that is neither true nor false.')
  }
  if ((value.normalize_activations ?? 'none') !== 'none') {
    throw fail(
      `has normalize_activations ${JSON.stringify(value.normalize_activations)}; Hooke reads "none". ` +
        'Fold the scale into the weights with SAELens (fold_activation_norm_scaling_factor) and save it again.',
    )
  }
  if (!['none', 'hook_z', undefined].includes(value.reshape_activations as string)) {
    throw fail(
      `has reshape_activations ${JSON.stringify(value.reshape_activations)}, expected "none" or "hook_z".`,
    )
  }
  if ((metadata.hook_head_index ?? null) !== null) {
    throw fail(
      'reads a single head (hook_head_index); Hooke reads all heads of attn.hook_z together.',
    )
  }
  return { d_in, d_sae, apply_b_dec_to_input, metadata }
}

function weightShapes(d_in: number, d_sae: number): Record<WeightName, readonly number[]> {
  return {
    W_enc: [d_in, d_sae],
    b_enc: [d_sae],
    W_dec: [d_sae, d_in],
    b_dec: [d_in],
    threshold: [d_sae],
  }
}

function checkTensors(
  file: SafetensorsFile,
  shapes: Readonly<Record<WeightName, readonly number[]>>,
): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const found = file.tensors.get(name)
    if (found === undefined) {
      throw new FormatError(
        file.name,
        `has no tensor ${name}; a JumpReLU SAE needs ${WEIGHTS.join(', ')}.`,
      )
    }
    if (found.shape.join() !== shape.join()) {
      throw new FormatError(
        file.name,
        `${name} has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}] from d_in and d_sae in cfg.json.`,
        { offset_bytes: found.offset },
      )
    }
  }
  for (const name of file.tensors.keys()) {
    if (!(name in shapes)) {
      throw new FormatError(
        file.name,
        `has the unknown tensor "${name}"; a JumpReLU SAE has only ${WEIGHTS.join(', ')}. Is it another architecture?`,
      )
    }
  }
}

/** `b_enc - b_dec W_enc`, summed in f64. */
function foldInputBias({ d_in, d_sae, W_enc, b_enc, b_dec }: Sae): Float32Array {
  const folded = new Float64Array(b_enc)
  for (let k = 0; k < d_in; k++) {
    for (let latent = 0; latent < d_sae; latent++) {
      folded[latent] = folded[latent]! - b_dec[k]! * W_enc[k * d_sae + latent]!
    }
  }
  return new Float32Array(folded)
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
