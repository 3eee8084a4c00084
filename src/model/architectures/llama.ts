/**
 * Llama 1 to 3 and what follows their design.
 *
 * Source: arXiv:2302.13971, arXiv:2307.09288, arXiv:2407.21783; fields and tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { Architecture } from '../architecture.ts'
import { DECODER, decoderConfig, decoderIgnores, decoderWeights, LLAMA_NORMS } from './decoder.ts'
import { readConfig } from './readConfig.ts'

const Config = z.strictObject({
  ...DECODER,
  model_type: z.literal('llama'),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  rope_interleaved: z.literal(false).optional(),
})

export const llama: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    return {
      ...decoderConfig(path, config),
      qkv_bias: config.attention_bias,
      o_bias: config.attention_bias,
      mlp_bias: config.mlp_bias,
    }
  },
  weights: (config) => decoderWeights(config, { parts: LLAMA_NORMS }),
  ignores: decoderIgnores,
}
