/**
 * Matryoshka BatchTopK: latents are chosen as in BatchTopK, and every prefix of the dictionary's groups reconstructs on its
 * own: loss `sum_j mean ||y - recon_j||^2`, `recon_j` from the latents of the first j groups, and AuxK on the whole
 * reconstruction. Early latents learn what matters most; late ones refine it.
 * Source: arXiv:2503.17547.
 */
import { batchtopk } from './batchtopk.ts'
import type { Architecture } from './types.ts'

export const matryoshka: Architecture = { ...batchtopk, name: 'matryoshka', nested: true }
