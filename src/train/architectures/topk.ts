/**
 * TopK: `acts = relu(pre_acts)` where pre_acts is among the token's k largest (of the whole dictionary, ties kept), else 0;
 * loss `mean ||y - recon||^2` and AuxK.
 *
 * AuxK: `aux_weight mean ||e - relu(pre_acts) W_dec||^2` over a token's `aux_k` largest dead latents, `e = y - recon` held
 * still; it reaches the dead latents alone. Deviation: each shard takes its share of `aux_k`, by its width.
 * Source: arXiv:2406.04093.
 */
import type { Architecture } from './types.ts'

export const topk: Architecture = {
  name: 'topk',
  selection: 'token',
  learns_threshold: false,
  pays_activation: false,
  gated: false,
  aux: true,
  nested: false,
  lambda: 0,
  save: ({ W_enc, b_enc }) => ({
    architecture: 'topk',
    W_enc,
    b_enc,
    threshold: new Float32Array(b_enc.length),
  }),
}
