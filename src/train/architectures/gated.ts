/**
 * Gated: a gate decides which latents are active, a tied encoder how strongly.
 *
 * With `u = x W_enc`: `gate = u + b_gate`, `mag = u e^r + b_mag`, `acts = [gate > 0] relu(mag)`. Loss: `mean ||y - recon||^2 +
 * lambda mean sum relu(gate) + mean ||y - relu(gate) W_dec - b_dec||^2`, decoder and its bias held still in the last term.
 * b_gate is held in b_enc. Deviations as for ReLU with L1.
 *
 * Saved as JumpReLU, exactly: `W_enc e^r`, `b_mag`, threshold `max(0, b_mag - b_gate e^r)` (the paper's own equivalence).
 * Source: arXiv:2404.16014.
 */
import type { Architecture } from './types.ts'

export const gated: Architecture = {
  name: 'gated',
  selection: 'threshold',
  learns_threshold: false,
  pays_activation: true,
  gated: true,
  aux: false,
  nested: false,
  lambda: 0.02,
  save: ({ W_enc, b_enc, r_mag, b_mag }) => {
    const d_in = W_enc.length / b_enc.length
    return {
      architecture: 'jumprelu',
      W_enc: W_enc.map((w, at) => w * Math.exp(r_mag[Math.floor(at / d_in)]!)),
      b_enc: b_mag,
      threshold: b_enc.map((b_gate, i) => Math.max(0, b_mag[i]! - b_gate * Math.exp(r_mag[i]!))),
    }
  },
}
