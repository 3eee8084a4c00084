/**
 * What other programs do when they run an SAE, done to its weights once: each function changes a draft in place so that its
 * activations and reconstructions of raw activations stay what they were. Sums are made in f64.
 */

/** The weights of an SAE in the making; no two fields share memory. */
export type Draft = {
  readonly d_in: number
  readonly d_sae: number
  readonly d_out: number
  /** [d_in, d_sae] */
  readonly W_enc: Float32Array
  /** [d_sae] */
  readonly b_enc: Float32Array
  /** [d_sae, d_out] */
  readonly W_dec: Float32Array
  /** [d_out] */
  readonly b_dec: Float32Array
  /** [d_sae] */
  readonly threshold: Float32Array
  /** [d_in, d_out] */
  readonly W_skip?: Float32Array
}

/** `(x - b_dec) W_enc + b_enc = x W_enc + (b_enc - b_dec W_enc)`. @returns what was folded. */
export function foldInputBias(draft: Draft): string {
  addToBias(draft.b_enc, draft.b_dec, -1, draft.W_enc)
  return 'b_dec is taken off the input there: folded, b_enc := b_enc - b_dec W_enc.'
}

/**
 * The encoder was trained on `x * scale` and the decoder gives `recon * scale`: `W_enc := scale W_enc`,
 * `W_dec := W_dec / scale`, `b_dec := b_dec / scale`. Latents stay in the scaled unit.
 */
export function foldScale(draft: Draft, scale: number): string {
  multiply(draft.W_enc, scale)
  multiply(draft.W_dec, 1 / scale)
  multiply(draft.b_dec, 1 / scale)
  return `Activations are multiplied by ${scale} there: folded into W_enc, W_dec and b_dec; latents stay in that unit.`
}

/** Each latent in the unit in which its decoder row has norm 1; a row of zeros stays. The threshold follows. */
export function foldDecoderNorms(draft: Draft): string {
  const { d_in, d_sae, d_out, W_enc, b_enc, W_dec, threshold } = draft
  const norms = new Float64Array(d_sae)
  for (let latent = 0; latent < d_sae; latent++) {
    let sum = 0
    for (let j = 0; j < d_out; j++) sum += W_dec[latent * d_out + j]! ** 2
    const norm = Math.sqrt(sum) || 1
    norms[latent] = norm
    for (let j = 0; j < d_out; j++) W_dec[latent * d_out + j]! /= norm
    b_enc[latent]! *= norm
    threshold[latent]! *= norm
  }
  for (let i = 0; i < d_in; i++) {
    for (let latent = 0; latent < d_sae; latent++) W_enc[i * d_sae + latent]! *= norms[latent]!
  }
  return 'Norms of the decoder rows are folded: encoder times, decoder over them.'
}

/**
 * A gated SAE as JumpReLU: the gate `x W + b_gate > 0` and the magnitude `relu(exp(r) x W + b_mag)` share W, so with
 * `pre = exp(r) x W + b_mag` the gate is `pre > b_mag - exp(r) b_gate`. Source: arXiv:2404.16014, section 3.
 * @param draft W_enc and b_enc hold the gate's, b_enc being b_gate.
 */
export function foldGate(draft: Draft, r_mag: Float32Array, b_mag: Float32Array): string {
  const { d_in, d_sae, W_enc, b_enc, threshold } = draft
  const scales = Float64Array.from(r_mag, Math.exp)
  for (let latent = 0; latent < d_sae; latent++) {
    threshold[latent] = b_mag[latent]! - scales[latent]! * b_enc[latent]!
    b_enc[latent] = b_mag[latent]!
  }
  for (let i = 0; i < d_in; i++) {
    for (let latent = 0; latent < d_sae; latent++) W_enc[i * d_sae + latent]! *= scales[latent]!
  }
  return 'The gate is folded into thresholds, which gives the same latents.'
}

/** The input is `gain x + bias` of what Hooke's site holds: rows of W_enc and W_skip times the gain, the bias into b_enc and b_dec. */
export function foldInputNorm(draft: Draft, gain: Float32Array, bias?: Float32Array): string {
  const { d_in, d_sae, d_out, W_enc, b_enc, b_dec, W_skip } = draft
  if (bias !== undefined) {
    addToBias(b_enc, bias, 1, W_enc)
    if (W_skip !== undefined) addToBias(b_dec, bias, 1, W_skip)
  }
  for (let i = 0; i < d_in; i++) {
    multiply(W_enc.subarray(i * d_sae, (i + 1) * d_sae), gain[i]!)
    if (W_skip !== undefined) multiply(W_skip.subarray(i * d_out, (i + 1) * d_out), gain[i]!)
  }
  const parts = bias === undefined ? "the model's gain is" : "the model's gain and bias are"
  return `It reads behind the gain of the norm before the MLP: ${parts} folded into W_enc${W_skip === undefined ? '' : ' and W_skip'}.`
}

export function multiply(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor
}

/** `bias += sign * row matrix`; matrix [row.length, bias.length]. */
function addToBias(
  bias: Float32Array,
  row: Float32Array,
  sign: 1 | -1,
  matrix: Float32Array,
): void {
  const sums = new Float64Array(bias)
  for (let i = 0; i < row.length; i++) {
    const factor = sign * row[i]!
    for (let j = 0; j < sums.length; j++) sums[j]! += factor * matrix[i * sums.length + j]!
  }
  bias.set(sums)
}
