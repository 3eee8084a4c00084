/** What the oracle computes on: one SAE or transcoder in f64, with every array dense. */

/** Arrays of an SAE; one that its architecture does not have is empty. */
export const PARAMETERS = [
  'W_enc',
  'W_dec',
  'b_enc',
  'b_dec',
  'threshold',
  'r_mag',
  'b_mag',
  'W_skip',
] as const

/**
 * W_enc [d_sae, d_in], W_dec [d_sae, d_out], b_enc [d_sae] (gated: the gate's), b_dec [d_out], threshold [d_sae] (jumprelu),
 * r_mag and b_mag [d_sae] (gated), W_skip [d_in, d_out] (a transcoder with affine skip).
 */
export type OracleParameters = Record<(typeof PARAMETERS)[number], Float64Array>

export type OracleSae = {
  readonly architecture: 'jumprelu' | 'relu' | 'gated' | 'topk' | 'batchtopk' | 'matryoshka'
  readonly d_in: number
  readonly d_out: number
  readonly d_sae: number
  /** Reads one site and writes another; an SAE takes b_dec off its input, a transcoder does not. */
  readonly transcoder: boolean
  readonly parameters: OracleParameters
  /** Adam's second moments. */
  readonly v: OracleParameters
}

/** Inputs x [n, d_in] and what is to be reconstructed, y [n, d_out], in training units; y is x where absent. */
export type OracleBatch = { readonly x: Float64Array; readonly y?: Float64Array }

/** Latents [first, first + width) share `k` of the AuxK latents of a token. */
export type AuxShare = { readonly first: number; readonly width: number; readonly k: number }

/** Constants of the loss; a term whose constants are absent is off. */
export type OracleLoss = {
  /** Target of the quadratic sparsity loss; k of the top-k kinds. */
  readonly l0_target: number
  readonly lambda: number
  /** jumprelu: quadratic about the target, or `lambda l0`. */
  readonly sparsity: 'target' | 'fixed'
  /** jumprelu: width of the rectangle kernel. */
  readonly bandwidth: number
  /** Per latent, whether it is dead before this step. */
  readonly dead?: readonly boolean[]
  /** jumprelu: price of the distance to its threshold of a latent that is dead and stays silent in this batch. */
  readonly pre_act_weight?: number
  /** jumprelu: price of frequency, and the frequency at which its two terms are equal. */
  readonly frequency?: { readonly weight: number; readonly knee: number }
  /** Top-k kinds. */
  readonly aux?: { readonly weight: number; readonly shares: readonly AuxShare[] }
  /** matryoshka: latents in each prefix, ascending, the last one d_sae. */
  readonly prefixes?: readonly number[]
}

/** What the losses treat as constants though it depends on parameters: central differences must hold it still. */
export type HeldConstant = {
  /** gated: the decoder through which the gate alone reconstructs. */
  readonly decoder: Pick<OracleParameters, 'W_dec' | 'b_dec' | 'W_skip'>
  /** AuxK: `y - recon` [n, d_out]. */
  readonly residual: Float64Array
}

/** Every number of a forward pass that its gradients need. */
export type OracleValues = {
  readonly n: number
  readonly x: Float64Array
  readonly y: Float64Array
  /** [n, d_in]: x, less b_dec for an SAE. */
  readonly input: Float64Array
  /** [n, d_sae]: `input W_enc`. */
  readonly product: Float64Array
  /** [n, d_sae]: `product + b_enc`. */
  readonly pre: Float64Array
  /** [n, d_sae] */
  readonly acts: Float64Array
  /** Per prefix [n, d_out]; all architectures but matryoshka have one prefix, the whole dictionary. */
  readonly recons: readonly Float64Array[]
  /** Mean number of active latents a token. */
  readonly l0: number
  readonly held: HeldConstant
}

/** One architecture: what is active, what is lost besides the reconstruction, and the gradient back to `input W_enc`. */
export type OracleArchitecture = {
  readonly acts: (
    sae: OracleSae,
    values: Pick<OracleValues, 'n' | 'product' | 'pre'>,
    loss: OracleLoss,
  ) => Float64Array
  readonly terms: (
    sae: OracleSae,
    values: OracleValues,
    loss: OracleLoss,
  ) => { readonly sparsity: number; readonly aux: number }
  /**
   * Adds to `g` what does not pass through `product`, all but the decoder's part of the reconstruction.
   * @param g_acts [n, d_sae]: d reconstruction / d acts, as if every latent were active.
   * @returns d loss / d product [n, d_sae].
   */
  readonly backward: (
    sae: OracleSae,
    values: OracleValues,
    loss: OracleLoss,
    g_acts: Float64Array,
    g: OracleParameters,
  ) => Float64Array
}

/** Arrays of the same lengths, all zero. */
export function zerosLike(parameters: OracleParameters): OracleParameters {
  const zeros = Object.entries(parameters).map(([name, a]) => [name, new Float64Array(a.length)])
  return Object.fromEntries(zeros) as OracleParameters
}
