/**
 * Mistral: Llama with a window on attention, which later versions leave out.
 *
 * Source: arXiv:2310.06825; fields and tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { Architecture } from '../architecture.ts'
import { DECODER, decoderConfig, decoderIgnores, decoderWeights, LLAMA_NORMS } from './decoder.ts'
import { readConfig, size } from './readConfig.ts'

const Config = z.strictObject({
  ...DECODER,
  model_type: z.literal('mistral'),
  sliding_window: size.nullable(),
})

export const mistral: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const shared = decoderConfig(path, config)
    return { ...shared, windows: shared.windows.map(() => config.sliding_window ?? -1) }
  },
  weights: (config) => decoderWeights(config, { parts: LLAMA_NORMS }),
  ignores: decoderIgnores,
}
