/** Rotary embedding in config.json: `rope_theta` with `rope_scaling`, or both together in the newer `rope_parameters`. */

import { z } from 'zod'
import { type RopeScaling, ropeTable } from '../rope.ts'
import type { RopeConfig, RopeTable } from '../types.ts'

const positive = z.number().positive()
const original_max_position_embeddings = positive

/** Older files say `type` for `rope_type`. */
function withRopeType(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || !('type' in json)) return json
  const { type, ...rest } = json
  return { rope_type: type, ...rest }
}

/** @param share of each head's channels that may turn: `partial_rotary_factor`. */
function parametersOf(share: z.ZodType<number>) {
  const also = { rope_theta: positive.optional(), partial_rotary_factor: share.optional() }
  return z.preprocess(
    withRopeType,
    z.discriminatedUnion('rope_type', [
      z.strictObject({ ...also, rope_type: z.literal('default') }),
      z.strictObject({ ...also, rope_type: z.literal('linear'), factor: positive }),
      z.strictObject({
        ...also,
        rope_type: z.literal('llama3'),
        factor: positive,
        low_freq_factor: positive,
        high_freq_factor: positive,
        original_max_position_embeddings,
      }),
      z.strictObject({
        ...also,
        rope_type: z.literal('yarn'),
        factor: positive,
        original_max_position_embeddings,
        beta_fast: positive.default(32),
        beta_slow: positive.default(1),
      }),
    ]),
  )
}

/** Where all channels turn. */
export const ropeParameters = parametersOf(z.literal(1))
/** Where only some may. */
export const partialRopeParameters = parametersOf(positive.max(1))
type RopeParameters = z.infer<typeof partialRopeParameters>

/** Fields of a family whose layers all turn alike. */
export const ROPE = {
  rope_theta: positive.default(10_000),
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: ropeParameters.nullish(),
}

/** One table for all layers. */
export function uniformRope(
  config: {
    readonly rope_theta: number
    readonly rope_scaling?: RopeParameters | null | undefined
    readonly rope_parameters?: RopeParameters | null | undefined
  },
  rotary_dim: number,
  n_layers: number,
): RopeConfig {
  const parameters = config.rope_parameters ?? config.rope_scaling ?? undefined
  return {
    rotary_dim,
    tables: [ropeTableOf(rotary_dim, parameters?.rope_theta ?? config.rope_theta, parameters)],
    of_layer: Array<number>(n_layers).fill(0),
  }
}

export function ropeTableOf(
  rotary_dim: number,
  theta: number,
  parameters: RopeParameters | undefined,
): RopeTable {
  return ropeTable(rotary_dim, theta, scalingOf(parameters))
}

function scalingOf(parameters: RopeParameters | undefined): RopeScaling {
  switch (parameters?.rope_type) {
    case undefined:
    case 'default':
      return { type: 'default' }
    case 'linear':
      return { type: 'linear', factor: parameters.factor }
    case 'llama3':
      return {
        type: 'llama3',
        factor: parameters.factor,
        low: parameters.low_freq_factor,
        high: parameters.high_freq_factor,
        original_n_ctx: parameters.original_max_position_embeddings,
      }
    case 'yarn':
      return {
        type: 'yarn',
        factor: parameters.factor,
        low: parameters.beta_slow,
        high: parameters.beta_fast,
        original_n_ctx: parameters.original_max_position_embeddings,
      }
    default:
      throw new TypeError(`Unknown RoPE ${JSON.stringify(parameters satisfies never)}.`)
  }
}
