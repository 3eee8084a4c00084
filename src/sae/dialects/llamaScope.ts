/**
 * Llama Scope: hyperparams.json and checkpoints/final.safetensors, one threshold for all latents.
 *
 * With `s_in = sqrt(d) / norm_in` and `s_out = sqrt(d) / norm_out` (the mean norms of activations in training): the encoder takes
 * `s_in x`, the decoder gives `s_out recon`. That program folds this first (`b_enc / s_in`, `W_dec s_in / s_out`, `b_dec / s_out`), then puts
 * decoder columns to norm 1 where `sparsity_include_decoder_norm` says so, and only then compares with `jump_relu_threshold`,
 * which is why that is in the unit of raw activations. For SAEs this is what `threshold s_in` in normalised units is;
 * transcoders, whose two scales differ, need the order.
 * Source: OpenMOSS/Language-Model-SAEs v1.0.0, `src/lm_saes/sae.py` (`from_config`), `config.py` (`SAEConfig`).
 */

import { FormatError, quote } from '../../formats/index.ts'
import { parseHookName } from '../check.ts'
import { type Config, countField, flagField, isRecord, record, unknownField } from './config.ts'
import { finishSae, siteNote } from './finish.ts'
import { type Draft, foldDecoderNorms, foldInputBias, multiply } from './fold.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './published.ts'
import { toldSites } from './sites.ts'
import { checkTensors, readFloats, readTurned } from './tensors.ts'

const WHAT = 'an SAE of Llama Scope'
const FIELDS = [
  'hook_point_in', 'hook_point_out', 'use_decoder_bias', 'apply_decoder_bias_to_pre_encoder', 'expansion_factor', 'd_model', 'd_sae',
  'act_fn', 'jump_relu_threshold', 'norm_activation', 'dataset_average_activation_norm', 'sparsity_include_decoder_norm', 'use_glu_encoder',
  'top_k',
  // How it was trained.
  'device', 'seed', 'dtype', 'bias_init_method', 'decoder_exactly_fixed_norm', 'init_decoder_norm', 'init_encoder_norm',
  'init_encoder_with_decoder_transpose', 'lp', 'l1_coefficient', 'l1_coefficient_warmup_steps', 'k_warmup_steps', 'use_batch_norm_mse',
  'use_ghost_grads', 'tp_size', 'ddp_size', 'sae_pretrained_name_or_path', 'strict_loading',
] // biome-ignore format: a list

/** @throws FormatError for another activation, normalisation, field or tensor; TypeError for a site that Hooke does not know. */
export async function readLlamaScope(
  files: SaeFiles,
  options: ReadSaeOptions,
): Promise<PublishedSae> {
  const { where, weights } = files
  const { path, value } = record(files, 'hyperparams.json', WHAT)
  const fail = (message: string) => new FormatError(path, message)
  const unknown = unknownField(value, FIELDS)
  if (unknown !== undefined)
    throw fail(`has the unknown field ${quote(unknown)}, which may change what the weights mean.`)
  if (flagField(path, value, 'use_glu_encoder', false))
    throw fail('has a gated linear unit in its encoder, which Hooke does not run.')
  const d_in = countField(path, value, 'd_model')
  const d_sae = countField(path, value, 'd_sae')
  const hasBias = flagField(path, value, 'use_decoder_bias', true)
  checkTensors(
    weights,
    {
      'encoder.weight': { shape: [d_sae, d_in] },
      'encoder.bias': { shape: [d_sae] },
      'decoder.weight': { shape: [d_in, d_sae] },
      ...(hasBias ? { 'decoder.bias': { shape: [d_in] } } : {}),
    },
    WHAT,
  )
  const { threshold, k } = activation(value, path)
  const named = sitesOf(value, path)
  const isTranscoder = named.hook_name_out !== undefined
  const sites = toldSites(options, isTranscoder, where) ?? named
  const draft: Draft = {
    d_in,
    d_sae,
    d_out: d_in,
    W_enc: await readTurned(weights, 'encoder.weight'),
    b_enc: await readFloats(weights, 'encoder.bias'),
    W_dec: await readTurned(weights, 'decoder.weight'),
    b_dec: hasBias ? await readFloats(weights, 'decoder.bias') : new Float32Array(d_in),
    threshold: new Float32Array(d_sae),
  }
  const notes = [siteNote(sites, options.sites === undefined ? 'from hyperparams.json' : 'as told')]
  notes.push(...foldNorms(draft, value, path))
  if (flagField(path, value, 'sparsity_include_decoder_norm', true))
    notes.push(foldDecoderNorms(draft))
  draft.threshold.fill(threshold)
  if (k === undefined)
    notes.push(`All latents have the threshold ${threshold}, in the unit of raw activations.`)
  if (!flagField(path, value, 'apply_decoder_bias_to_pre_encoder', true)) {
    notes.push('b_dec is added after decoding only.')
  } else if (isTranscoder) {
    throw fail(
      'has apply_decoder_bias_to_pre_encoder true, but b_dec of a transcoder belongs to the site it writes.',
    )
  } else notes.push(foldInputBias(draft))
  return finishSae(draft, {
    dialect: 'llama-scope',
    where,
    sites,
    ...(k === undefined ? {} : { k }),
    notes,
    l0: value.top_k === undefined ? undefined : countField(path, value, 'top_k'),
  })
}

function activation(
  value: Config,
  path: string,
): { readonly threshold: number; readonly k?: number } {
  const { act_fn, jump_relu_threshold: threshold = 0 } = value
  const fail = (message: string) => new FormatError(path, message)
  if (typeof threshold !== 'number' || !(threshold >= 0)) {
    throw fail(`has jump_relu_threshold ${quote(threshold)}, expected a number of 0 or more.`)
  }
  switch (typeof act_fn === 'string' ? act_fn.toLowerCase() : undefined) {
    case 'jumprelu':
      return { threshold }
    case 'relu':
      return { threshold: 0 }
    case 'topk':
      if (threshold === 0) return { threshold, k: countField(path, value, 'top_k') }
      throw fail(
        `has act_fn "topk" and jump_relu_threshold ${threshold}, of which only one can hold. Write "jumprelu" if the threshold was measured.`,
      )
    default:
      throw fail(`has act_fn ${quote(act_fn)}; Hooke reads jumprelu, topk and relu.`)
  }
}

function sitesOf(value: Config, path: string): Sites {
  const hook_name = parseHookName(value.hook_point_in, path, 'hook_point_in')
  const hook_name_out = parseHookName(
    value.hook_point_out ?? value.hook_point_in,
    path,
    'hook_point_out',
  )
  return hook_name_out === hook_name ? { hook_name } : { hook_name, hook_name_out }
}

/** Latents come out in the unit of raw activations. */
function foldNorms(draft: Draft, value: Config, path: string): string[] {
  const { norm_activation, dataset_average_activation_norm: norms } = value
  if (norm_activation === 'none' || norm_activation === 'inference')
    return ['It takes raw activations.']
  if (norm_activation !== 'dataset-wise') {
    throw new FormatError(
      path,
      `has norm_activation ${quote(norm_activation)}; Hooke folds "dataset-wise" and takes "none". A norm of each token or batch is no part of the weights.`,
    )
  }
  const [norm_in, norm_out] = ['in', 'out'].map((side) =>
    isRecord(norms) ? norms[side] : undefined,
  )
  if (!isPositive(norm_in) || !isPositive(norm_out)) {
    throw new FormatError(
      path,
      `has dataset_average_activation_norm ${quote(norms)}, expected numbers above 0 for "in" and "out".`,
    )
  }
  const root = Math.sqrt(draft.d_in)
  multiply(draft.b_enc, norm_in / root)
  multiply(draft.W_dec, norm_out / norm_in)
  multiply(draft.b_dec, norm_out / root)
  return [
    `Activations of mean norm ${norm_in} in and ${norm_out} out are scaled to sqrt(d_model) there: folded, so that it takes and gives raw ones.`,
  ]
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}
