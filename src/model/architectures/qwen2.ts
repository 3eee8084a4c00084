/**
 * Qwen 2 and 2.5: Llama with biases on queries, keys and values, and a window on the later layers where it is switched on.
 *
 * Source: arXiv:2407.10671; fields and tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import { FormatError } from '../../formats/index.ts'
import type { Architecture } from '../architecture.ts'
import { DECODER, decoderConfig, decoderIgnores, decoderWeights, LLAMA_NORMS } from './decoder.ts'
import { checkLayerTypes, LAYER_TYPES, readConfig, size } from './readConfig.ts'

/** Fields of Qwen's windows, which Qwen 3 has too. */
export const QWEN_WINDOWS = {
  use_sliding_window: z.boolean().default(false),
  sliding_window: size.nullish(),
  max_window_layers: z.int().nonnegative().optional(),
  layer_types: LAYER_TYPES.optional(),
}

const Config = z.strictObject({
  ...DECODER,
  ...QWEN_WINDOWS,
  model_type: z.literal('qwen2'),
  use_mrope: z.literal(false).optional(),
})

/**
 * [n_layers]: the first `max_window_layers` layers look back all the way, the others as far as the window.
 * @throws FormatError if a window is asked for whose size is missing.
 */
export function qwenWindows(
  path: string,
  config: z.infer<z.ZodObject<typeof QWEN_WINDOWS>>,
  n_layers: number,
): number[] {
  const { use_sliding_window, sliding_window, max_window_layers, layer_types } = config
  if (layer_types !== undefined) checkLayerTypes(path, layer_types, n_layers)
  if (use_sliding_window && typeof sliding_window !== 'number') {
    throw new FormatError(
      path,
      `use_sliding_window is true and sliding_window is ${sliding_window === null ? 'null' : 'missing'}, supported: a number of tokens.`,
    )
  }
  const window = use_sliding_window ? sliding_window! : -1
  return Array.from({ length: n_layers }, (_, layer) => {
    const slides = layer_types?.[layer] === 'sliding_attention'
    const isLate = layer_types === undefined && layer >= (max_window_layers ?? n_layers)
    return slides || isLate ? window : -1
  })
}

export const qwen2: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const windows = qwenWindows(path, config, config.num_hidden_layers)
    return { ...decoderConfig(path, config), qkv_bias: true, windows }
  },
  weights: (config) => decoderWeights(config, { parts: LLAMA_NORMS }),
  ignores: decoderIgnores,
}
