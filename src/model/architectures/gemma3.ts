/**
 * Gemma 3, its text model (270M to 27B): queries and keys normalized, five local layers to one global, each kind with a
 * rotary base of its own. Checkpoints that see pictures too hold the same model behind a prefix; the rest is left alone.
 *
 * Source: google/gemma_pytorch `gemma/model.py` and `gemma/config.py`, arXiv:2503.19786; fields, defaults and tensor names as in
 * Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { Architecture } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'
import { decoderIgnores } from './decoder.ts'
import { GEMMA, gemmaConfig, gemmaWeights } from './gemma.ts'
import { COMMON, checkLayerTypes, readConfig, size } from './readConfig.ts'
import { ropeParameters, ropeTableOf } from './ropeFields.ts'

const softcap = z.number().positive().nullish()

/** Defaults stand in for what text_config leaves out. */
const TextConfig = z.strictObject({
  ...GEMMA,
  model_type: z.literal('gemma3_text'),
  vocab_size: size.default(262_208),
  num_attention_heads: size.default(8),
  num_key_value_heads: size.default(4),
  head_dim: size.default(256),
  max_position_embeddings: size.default(131_072),
  rms_norm_eps: z.number().positive().default(1e-6),
  query_pre_attn_scalar: z.number().positive().default(256),
  attn_logit_softcapping: softcap,
  final_logit_softcapping: softcap,
  sliding_window_pattern: size.default(6),
  rope_theta: z.number().positive().default(1e6),
  rope_local_base_freq: z.number().positive().default(1e4),
  /** Of global layers. */
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: z
    .strictObject({ full_attention: ropeParameters, sliding_attention: ropeParameters })
    .nullish(),
})

/** Of a checkpoint that sees pictures: everything but the text model is ignored. */
const PictureConfig = z.looseObject({
  ...COMMON,
  model_type: z.literal('gemma3'),
  text_config: z.looseObject({}),
})

export const gemma3: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, textConfig(path, json), TextConfig)
    const { num_hidden_layers: n_layers, layer_types, head_dim } = config
    if (layer_types !== undefined) checkLayerTypes(path, layer_types, n_layers)
    const slides = Array.from({ length: n_layers }, (_, layer) =>
      layer_types === undefined
        ? (layer + 1) % config.sliding_window_pattern !== 0
        : layer_types[layer] === 'sliding_attention',
    )
    const { full_attention, sliding_attention } = config.rope_parameters ?? {}
    const global = full_attention ?? config.rope_scaling ?? undefined
    const tables = [
      ropeTableOf(head_dim, global?.rope_theta ?? config.rope_theta, global),
      ropeTableOf(
        head_dim,
        sliding_attention?.rope_theta ?? config.rope_local_base_freq,
        sliding_attention,
      ),
    ]
    return {
      ...gemmaConfig(
        path,
        config,
        slides.map((local) => (local ? config.sliding_window : -1)),
      ),
      model_type: 'gemma3_text',
      rope: { rotary_dim: head_dim, tables, of_layer: slides.map(Number) },
      attn_softcap: config.attn_logit_softcapping ?? 0,
      final_softcap: config.final_logit_softcapping ?? 0,
    } satisfies ModelConfig
  },

  weights: (config) => gemmaWeights(config, true),

  canonical: (tensor) =>
    tensor.replace(/^(model\.)?language_model\.(model\.)?/, 'model.').replace(/^model\.lm_/, 'lm_'),

  ignores: (tensor, config) =>
    /^(model\.)?(vision_tower|multi_modal_projector)\./.test(tensor) ||
    decoderIgnores(tensor, config),
}

/** The text model's settings; ids and dtype of the whole stand for those that it leaves out. */
function textConfig(path: string, json: unknown): unknown {
  const isWhole = typeof json === 'object' && json !== null && 'text_config' in json
  if (!isWhole) return json
  const { text_config, ...whole } = readConfig(path, json, PictureConfig)
  const common = Object.entries(whole).filter(
    ([key, value]) => Object.hasOwn(COMMON, key) && value !== null,
  )
  return { ...text_config, ...Object.fromEntries(common), model_type: 'gemma3_text' }
}
