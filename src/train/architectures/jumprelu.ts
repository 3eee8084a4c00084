/**
 * JumpReLU: `acts = pre_acts * (pre_acts > threshold)`, one learned threshold a latent.
 *
 * Loss: `mean ||y - recon||^2` and either `lambda / (2 l0*) (l0 - l0*)^2`, quadratic about the target as in Gemma Scope 2
 * (eq. 5) with the batch's mean l0, or `lambda l0` as in Gemma Scope. Thresholds learn by a rectangle kernel; the step passes
 * no gradient to pre_acts. Deviations: thresholds are held as they are, not as logarithms, which a short run could not move;
 * dead latents have a small pre-activation loss, which moves no threshold; the frequency penalty's form is rebuilt from prose.
 * Sources: arXiv:2407.14435 (eq. 4, 9 to 12), arXiv:2408.05147 §3.
 */
import type { Architecture } from './types.ts'

export const jumprelu: Architecture = {
  name: 'jumprelu',
  selection: 'threshold',
  learns_threshold: true,
  pays_activation: false,
  gated: false,
  aux: false,
  nested: false,
  lambda: 0.1,
  save: ({ W_enc, b_enc, threshold }) => ({ architecture: 'jumprelu', W_enc, b_enc, threshold }),
}
