/** The families, by config.json's `model_type`. */

import { z } from 'zod'
import { FormatError, quote } from '../../formats/index.ts'
import type { Architecture, Described } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { gpt2 } from './gpt2.ts'
import { gptNeox } from './gptNeox.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  gemma2,
  gemma3,
  gemma3_text: gemma3,
  gpt2,
  gpt_neox: gptNeox,
  llama,
  mistral,
  qwen2,
  qwen3,
}

/**
 * Reads config.json as its family does.
 * @throws FormatError if the family is unknown, or a setting is missing, unknown or not supported; it names the field.
 */
export function describeModel(path: string, json: unknown): Described {
  const architecture = architectureOf(path, json)
  const config = architecture.parseConfig(path, json)
  return {
    config,
    weights: architecture.weights(config),
    canonical: (tensor) => architecture.canonical?.(tensor) ?? tensor,
    ignores: (tensor) => architecture.ignores?.(tensor, config) ?? false,
  }
}

/** Numbers that a model has learned; a tied embedding counts once. */
export function countParameters(config: ModelConfig): number {
  const { blocks, ...rest } = ARCHITECTURES[config.model_type]!.weights(config)
  const specs = [...Object.values(rest), ...blocks.flatMap((block) => Object.values(block))]
  return [...new Set(specs)].reduce((sum, { shape: [d_out, d_in = 1] }) => sum + d_out * d_in, 0)
}

function architectureOf(path: string, json: unknown): Architecture {
  const { success, data } = z.object({ model_type: z.string() }).safeParse(json)
  const supported = Object.keys(ARCHITECTURES).join(', ')
  if (!success) throw new FormatError(path, `model_type is missing, supported: ${supported}.`)
  const architecture = Object.hasOwn(ARCHITECTURES, data.model_type)
    ? ARCHITECTURES[data.model_type]
    : undefined
  if (architecture !== undefined) return architecture
  throw new FormatError(path, `model_type is ${quote(data.model_type)}, supported: ${supported}.`)
}
