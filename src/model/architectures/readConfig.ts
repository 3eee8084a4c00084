/** Reading a family's config.json: every field is known, says nothing, or is refused by name. */

import { z } from 'zod'
import { FormatError, quote } from '../../formats/index.ts'
import type { Activation } from '../types.ts'

/** Bounded only so that a damaged file is refused before memory runs out. */
export const size = z
  .int()
  .positive()
  .max(2 ** 24)
export const layerCount = z
  .int()
  .positive()
  .max(2 ** 12)
const dtype = z.enum(['bfloat16', 'float16', 'float32'])

export const LAYER_TYPES = z.array(z.enum(['sliding_attention', 'full_attention']))

/** Names of activations; those of one function differ in how it is computed, not in what. */
const ACTIVATIONS = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
} as const satisfies Record<string, Activation>

export const activation = z
  .enum(Object.keys(ACTIVATIONS) as (keyof typeof ACTIVATIONS)[])
  .transform((name): Activation => ACTIVATIONS[name])

/** Fields of any family that say nothing about the numbers. */
const IGNORED = new Set([
  'architectures',
  'attention_dropout',
  'attention_probs_dropout_prob',
  'attn_implementation',
  'attn_pdrop',
  'auto_map',
  'cache_implementation',
  'classifier_dropout',
  'embd_pdrop',
  'gradient_checkpointing',
  'hidden_dropout',
  'hidden_dropout_prob',
  'id2label',
  'initializer_range',
  'is_llama_config',
  'label2id',
  'max_sequence_length',
  'n_special',
  'output_past',
  'predict_special_tokens',
  'pretraining_tp',
  'resid_pdrop',
  'summary_activation',
  'summary_first_dropout',
  'summary_proj_to_labels',
  'summary_type',
  'summary_use_proj',
  'task_specific_params',
  'transformers.js_config',
  'transformers_version',
  'unsloth_fixed',
  'unsloth_version',
  'use_cache',
])

/** Ids and dtype, which every family's config.json may have. */
export const COMMON = {
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())], 'an id or a list of ids').nullish(),
  pad_token_id: z.int().nullish(),
  torch_dtype: dtype.nullish(),
  dtype: dtype.nullish(),
}

/**
 * config.json by a family's schema, which must be strict: what it does not name and is not known to say nothing is refused.
 * @throws FormatError with every complaint: field, found, supported.
 */
export function readConfig<Schema extends z.ZodType>(
  path: string,
  json: unknown,
  schema: Schema,
): z.infer<Schema> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new FormatError(path, `is ${quote(json)}, expected a JSON object of settings.`)
  }
  const fields = Object.fromEntries(
    Object.entries(json).filter(([key]) => !IGNORED.has(key) && !key.startsWith('_')),
  )
  const parsed = schema.safeParse(fields)
  if (parsed.success) return parsed.data
  throw unsupported(path, fields, parsed.error)
}

function unsupported(path: string, found: Record<string, unknown>, error: z.ZodError): FormatError {
  const complaints = error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const inside = at(found, issue.path) as Record<string, unknown>
      return issue.keys.map(
        (key) =>
          `${[...issue.path, key].join('.')} is ${quote(inside[key])}, a setting of ${found.model_type} that Hooke does not know and will not guess at`,
      )
    }
    const value = at(found, issue.path)
    const text = value === undefined ? 'missing' : quote(value)
    return [`${issue.path.join('.')} is ${text}, supported: ${supported(issue)}`]
  })
  return new FormatError(path, `${complaints.join('; ')}.`, { cause: error })
}

const supported = ({ message }: z.core.$ZodIssue): string =>
  message.replace(/^Invalid (input: e|option: e|discriminator value. E)xpected (one of )?/, '')

const at = (found: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined,
    found,
  )

/** The ids of a config, as ModelConfig has them. */
export function tokenIds(config: z.infer<z.ZodObject<typeof COMMON>>, d_vocab: number) {
  const eos_token_ids = [config.eos_token_id ?? []].flat()
  const bos_token_id = config.bos_token_id ?? undefined
  const pads = [config.pad_token_id, ...eos_token_ids, bos_token_id, 0]
  // Some checkpoints say -1 for none.
  const pad_token_id = pads.find((id) => typeof id === 'number' && id >= 0 && id < d_vocab)!
  return { bos_token_id, eos_token_ids, pad_token_id }
}

/**
 * d_head: head_dim, or what is left of the model's width for each head.
 * @throws FormatError unless it is a multiple of 8, as ONNX Runtime's attention needs.
 */
export function headSize(
  path: string,
  head_dim: number | undefined,
  d_model: number,
  n_heads: number,
): number {
  const d_head = head_dim ?? d_model / n_heads
  if (d_head % 8 === 0) return d_head
  const what = head_dim === undefined ? `width ${d_model} over ${n_heads} heads` : 'head_dim'
  throw new FormatError(path, `${what} is ${d_head}, supported: multiples of 8.`)
}

/** @throws FormatError unless keys and values are shared by equal groups of query heads. */
export function checkHeads(path: string, n_heads: number, n_kv_heads: number): void {
  if (n_heads % n_kv_heads === 0) return
  throw new FormatError(
    path,
    `num_attention_heads ${n_heads} is not a multiple of num_key_value_heads ${n_kv_heads}.`,
  )
}

/** @throws FormatError unless there is one entry a layer. */
export function checkLayerTypes(path: string, layer_types: readonly string[], n: number): void {
  if (layer_types.length === n) return
  throw new FormatError(
    path,
    `layer_types has ${layer_types.length} entries, expected num_hidden_layers ${n}.`,
  )
}
