/**
 * Gemma 2 (2B, 9B, 27B and anything of their shape): softcaps, a window on every other layer.
 *
 * Source: google/gemma_pytorch `gemma/model.py` and `gemma/config.py`; tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { Architecture } from '../architecture.ts'
import { decoderIgnores } from './decoder.ts'
import { GEMMA, gemmaConfig, gemmaWeights } from './gemma.ts'
import { checkLayerTypes, readConfig } from './readConfig.ts'
import { ROPE, uniformRope } from './ropeFields.ts'

const Config = z.strictObject({
  ...GEMMA,
  ...ROPE,
  model_type: z.literal('gemma2'),
  attn_logit_softcapping: z.number().positive(),
  final_logit_softcapping: z.number().positive(),
})

export const gemma2: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const { num_hidden_layers: n_layers, layer_types, sliding_window } = config
    if (layer_types !== undefined) checkLayerTypes(path, layer_types, n_layers)
    const windows = Array.from({ length: n_layers }, (_, layer) => {
      const slides = layer_types?.[layer] ?? (layer % 2 === 0 && 'sliding_attention')
      return slides === 'sliding_attention' ? sliding_window : -1
    })
    return {
      ...gemmaConfig(path, config, windows),
      model_type: 'gemma2',
      rope: uniformRope(config, config.head_dim, n_layers),
      attn_softcap: config.attn_logit_softcapping,
      final_softcap: config.final_logit_softcapping,
    }
  },

  weights: (config) => gemmaWeights(config, false),
  ignores: decoderIgnores,
}
