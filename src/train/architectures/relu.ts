/**
 * ReLU with an L1 penalty: `acts = relu(pre_acts)`, loss `mean ||y - recon||^2 + lambda mean sum acts`; decoder rows have unit
 * norm, so that activations cannot shrink at no cost.
 *
 * Deviations: b_enc starts where `init_l0` times the target passes, and lambda follows L0 until it meets the target unless it
 * is fixed. Saved as JumpReLU with thresholds of 0, which is the same.
 * Source: Bricken et al. 2023 (Towards Monosemanticity).
 */
import type { Architecture } from './types.ts'

export const relu: Architecture = {
  name: 'relu',
  selection: 'threshold',
  learns_threshold: false,
  pays_activation: true,
  gated: false,
  aux: false,
  nested: false,
  lambda: 0.02,
  save: ({ W_enc, b_enc }) => ({
    architecture: 'jumprelu',
    W_enc,
    b_enc,
    threshold: new Float32Array(b_enc.length),
  }),
}
