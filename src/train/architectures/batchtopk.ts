/**
 * BatchTopK: `acts = relu(pre_acts)` where pre_acts is among the k n largest of a batch of n tokens (ties kept), else 0; loss as
 * for TopK.
 *
 * Saved as JumpReLU: one threshold for all latents, the running mean of the smallest activation that was kept in a batch.
 * Source: arXiv:2412.06410.
 */
import type { Architecture } from './types.ts'

export const batchtopk: Architecture = {
  name: 'batchtopk',
  selection: 'batch',
  learns_threshold: false,
  pays_activation: false,
  gated: false,
  aux: true,
  nested: false,
  lambda: 0,
  save: ({ W_enc, b_enc }, scalar_threshold) => ({
    architecture: 'jumprelu',
    W_enc,
    b_enc,
    threshold: new Float32Array(b_enc.length).fill(scalar_threshold),
  }),
}
