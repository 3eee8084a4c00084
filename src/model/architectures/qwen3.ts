/**
 * Qwen 3: Qwen 2 with RMSNorm on every head's queries and keys instead of biases.
 *
 * Source: arXiv:2505.09388; fields and tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { Architecture } from '../architecture.ts'
import {
  DECODER,
  decoderConfig,
  decoderIgnores,
  decoderWeights,
  LLAMA_NORMS,
  QK_NORMS,
} from './decoder.ts'
import { QWEN_WINDOWS, qwenWindows } from './qwen2.ts'
import { readConfig, size } from './readConfig.ts'

const Config = z.strictObject({
  ...DECODER,
  ...QWEN_WINDOWS,
  model_type: z.literal('qwen3'),
  head_dim: size.default(128),
  attention_bias: z.boolean().default(false),
})

export const qwen3: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    return {
      ...decoderConfig(path, config),
      qkv_bias: config.attention_bias,
      o_bias: config.attention_bias,
      windows: qwenWindows(path, config, config.num_hidden_layers),
    }
  },
  weights: (config) => decoderWeights(config, { parts: { ...LLAMA_NORMS, ...QK_NORMS } }),
  ignores: decoderIgnores,
}
