/**
 * cfg.json of SAELens 6: what the weights beside it mean. A flat one of v3 to v5 is nested first (`saelensFlat.ts`).
 *
 * | `architecture` | activation | recon adds | who has it |
 * |---|---|---|---|
 * | jumprelu | JumpReLU | | SAELens; BatchTopK and Matryoshka SAEs are saved as this too |
 * | topk | TopK, `k` | | SAELens |
 * | jumprelu_transcoder, jumprelu_skip_transcoder | JumpReLU | nothing; x W_skip | SAELens |
 * | topk_transcoder, topk_skip_transcoder | TopK, `k` | nothing; x W_skip | Hooke only |
 * | gated | gate and magnitude, one encoder | | SAELens; folded into JumpReLU, which is the same |
 * | standard, transcoder, skip_transcoder | ReLU | nothing; nothing; x W_skip | SAELens; read as JumpReLU with thresholds 0, which is the same |
 *
 * A transcoder has `d_out` beside `d_in`, `hook_name_out` in the metadata, and no pre-encoder bias.
 * Source: SAELens 6.49, `sae_lens/__init__.py` (the registry), `saes/sae.py` (`SAEConfig.to_dict`), `saes/topk_sae.py`,
 * `saes/transcoder.py`; `loading/pretrained_sae_loaders.py` for `hook_name_out`.
 */

import { FormatError, quote } from '../formats/index.ts'
import type { HookName } from '../model/index.ts'
import { parseHookName } from './check.ts'
import { nestFlatConfig } from './saelensFlat.ts'
import type { Sae } from './types.ts'

/** File names inside an SAE's folder. */
export const SAELENS_FILES = { config: 'cfg.json', weights: 'sae_weights.safetensors' } as const

type Kind = {
  readonly activation: 'jumprelu' | 'topk' | 'relu' | 'gated'
  readonly isTranscoder?: true
  readonly hasSkip?: true
}

const KINDS: Readonly<Record<string, Kind>> = {
  jumprelu: { activation: 'jumprelu' },
  jumprelu_transcoder: { activation: 'jumprelu', isTranscoder: true },
  jumprelu_skip_transcoder: { activation: 'jumprelu', isTranscoder: true, hasSkip: true },
  topk: { activation: 'topk' },
  topk_transcoder: { activation: 'topk', isTranscoder: true },
  topk_skip_transcoder: { activation: 'topk', isTranscoder: true, hasSkip: true },
  standard: { activation: 'relu' },
  gated: { activation: 'gated' },
  transcoder: { activation: 'relu', isTranscoder: true },
  skip_transcoder: { activation: 'relu', isTranscoder: true, hasSkip: true },
}

/** Every field that SAELens 6 writes for all architectures; any other may change what the weights mean. */
const COMMON_FIELDS = [
  'architecture',
  'd_in',
  'd_sae',
  'dtype',
  'device',
  'apply_b_dec_to_input',
  'normalize_activations',
  'reshape_activations',
  'finetuning_scaling_factor',
  'metadata',
]
const TOPK_FIELDS = ['k', 'rescale_acts_by_decoder_norm']

/** cfg.json of an SAE: what SAELens needs to load it, and its metadata. */
export function saelensConfig(sae: Sae): Record<string, unknown> {
  const { architecture, hook_name, d_in, d_sae, k, transcoder } = sae
  const kind =
    transcoder === undefined ? '' : transcoder.W_skip ? '_skip_transcoder' : '_transcoder'
  return {
    architecture: `${architecture}${kind}`,
    d_in,
    ...(transcoder === undefined ? {} : { d_out: transcoder.d_out }),
    d_sae,
    ...(k === undefined ? {} : { k, rescale_acts_by_decoder_norm: false }),
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: false,
    normalize_activations: 'none',
    reshape_activations: hook_name.endsWith('attn.hook_z') ? 'hook_z' : 'none',
    metadata: {
      prepend_bos: true,
      ...sae.metadata,
      hook_name,
      hook_head_index: null,
      ...(transcoder === undefined
        ? {}
        : { hook_name_out: transcoder.hook_name_out, hook_head_index_out: null }),
    },
  }
}

/** What a cfg.json says, checked. */
export type SaelensConfig = {
  readonly activation: Kind['activation']
  readonly hook_name: HookName
  readonly d_in: number
  readonly d_sae: number
  readonly k?: number
  readonly transcoder?: {
    readonly hook_name_out: HookName
    readonly d_out: number
    readonly hasSkip: boolean
  }
  readonly apply_b_dec_to_input: boolean
  /** Activations times one number, which is beside cfg.json (activation_scaler.json), so that their mean norm is sqrt(d_in). */
  readonly isScaled: boolean
  /** The decoder takes acts times `finetuning_scaling_factor`, a tensor. */
  readonly isFinetuned: boolean
  readonly rescale_acts_by_decoder_norm: boolean
  readonly metadata: Record<string, unknown>
}

/**
 * Reads what cfg.json holds.
 * @param where the folder, for messages.
 * @throws FormatError for an architecture, normalization or field that Hooke does not read; TypeError for a site it does not know.
 */
export function parseSaelensConfig(config: unknown, where: string): SaelensConfig {
  const path = `${where}/${SAELENS_FILES.config}`
  const fail = (message: string) => new FormatError(path, message)
  if (!isRecord(config)) throw fail('is not a JSON object.')
  const value = 'metadata' in config ? config : nestFlatConfig(config, path)
  const { architecture, metadata } = value
  if (!isRecord(metadata)) throw fail(`has metadata ${quote(metadata)}, expected an object.`)
  const kind = typeof architecture === 'string' ? KINDS[architecture] : undefined
  if (kind === undefined) {
    throw fail(
      `has architecture ${quote(architecture)}; Hooke reads ${Object.keys(KINDS).join(', ')}.`,
    )
  }
  const { activation, isTranscoder = false, hasSkip = false } = kind
  const fields = new Set([
    ...COMMON_FIELDS,
    ...(activation === 'topk' ? TOPK_FIELDS : []),
    ...(isTranscoder ? ['d_out'] : []),
  ])
  const unknown = Object.keys(value).find((key) => !fields.has(key))
  if (unknown !== undefined) {
    throw fail(
      `has the unknown field ${quote(unknown)}, which may change what the weights mean. Remove it if it does not.`,
    )
  }
  const size = (name: string): number => {
    const number = value[name]
    if (Number.isSafeInteger(number) && (number as number) > 0) return number as number
    throw fail(`has ${name} ${quote(number)}, expected a whole number above 0.`)
  }
  const flag = (name: string, absent: boolean): boolean => {
    const found = value[name] ?? absent
    if (typeof found === 'boolean') return found
    throw fail(`has ${name} ${quote(found)}, expected true or false.`)
  }
  // SAELens takes an absent field for true, but refuses true for a transcoder.
  const apply_b_dec_to_input = flag('apply_b_dec_to_input', !isTranscoder)
  if (apply_b_dec_to_input && isTranscoder) {
    throw fail(
      'has apply_b_dec_to_input true, but b_dec of a transcoder belongs to the site it writes, so it cannot be taken off its input.',
    )
  }
  const normalization = value.normalize_activations ?? 'none'
  if (normalization !== 'none' && normalization !== 'expected_average_only_in') {
    throw fail(
      `has normalize_activations ${quote(normalization)}; Hooke reads "none", and "expected_average_only_in" with its factor. ` +
        'A norm of each token is no part of the weights, so it cannot be folded into them.',
    )
  }
  if (!['none', 'hook_z', undefined].includes(value.reshape_activations as string)) {
    throw fail(
      `has reshape_activations ${quote(value.reshape_activations)}, expected "none" or "hook_z".`,
    )
  }
  if ((metadata.hook_head_index ?? metadata.hook_head_index_out ?? null) !== null) {
    throw fail(
      'is for a single head (hook_head_index); Hooke reads all heads of attn.hook_z together.',
    )
  }
  return {
    activation,
    hook_name: parseHookName(metadata.hook_name, path),
    d_in: size('d_in'),
    d_sae: size('d_sae'),
    ...(activation === 'topk' ? { k: size('k') } : {}),
    ...(isTranscoder
      ? {
          transcoder: {
            hook_name_out: parseHookName(metadata.hook_name_out, path, 'hook_name_out'),
            d_out: size('d_out'),
            hasSkip,
          },
        }
      : {}),
    apply_b_dec_to_input,
    isScaled: normalization !== 'none',
    isFinetuned: flag('finetuning_scaling_factor', false),
    rescale_acts_by_decoder_norm: flag('rescale_acts_by_decoder_norm', false),
    metadata,
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
