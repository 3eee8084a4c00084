/**
 * Direct effect of a latent on an output token: how far its part of the residual stream moves that token's logit, with nothing
 * but the final norm and the unembedding in between.
 *
 *   effect = act * W_dec[i] . (U[v] - mean over tokens of U) / scale(t)
 *
 * U is the unembedding with the final norm's gain folded in, scale(t) what the final norm divides token t by in this very pass,
 * held fixed. In logits before the softcap. The mean is taken off as a shift of all logits changes no probability. What the
 * latent does through later layers is not in it: at the last residual stream nothing is missing, and the effects of all
 * latents, of b_dec and of the error add up to the logit; in early layers the direct effect is a small part of the story.
 */
import { meanRow } from '../latents/index.ts'
import type { Model, ModelConfig } from '../model/index.ts'

/** Stands for a token that no other follows. */
export const NO_TARGET = -1

const means = new WeakMap<Float32Array, Float32Array>()

/**
 * What decoder directions are multiplied with, token by token.
 * @param resid [n, d_model], the residual stream that the final norm reads.
 * @param targets [n] output tokens, NO_TARGET where there is none.
 * @returns [n, d_model]; rows of zeros where there is no target.
 */
export async function effectDirections(
  model: Pick<Model, 'config' | 'unembedding'>,
  resid: Float32Array,
  targets: Int32Array,
): Promise<Float32Array> {
  const { d_model } = model.config
  const U = await model.unembedding()
  const mean = means.get(U) ?? meanRow(U, d_model)
  means.set(U, mean)
  const directions = new Float32Array(targets.length * d_model)
  for (const [token, target] of targets.entries()) {
    if (target === NO_TARGET) continue
    const at = token * d_model
    const scale = normScale(resid.subarray(at, at + d_model), model.config)
    for (let k = 0; k < d_model; k++)
      directions[at + k] = (U[target * d_model + k]! - mean[k]!) / scale
  }
  return directions
}

/** `act * W_dec[latent] . direction`, both rows of `d` numbers that begin at `row` and `at`. */
export function directEffect(
  act: number,
  W_dec: Float32Array,
  row: number,
  directions: Float32Array,
  at: number,
  d: number,
): number {
  let product = 0
  for (let k = 0; k < d; k++) product += W_dec[row + k]! * directions[at + k]!
  return act * product
}

/** What the final norm divides x [d_model] by: its root mean square, or of a LayerNorm the standard deviation. */
function normScale(x: Float32Array, { norm, norm_eps }: ModelConfig): number {
  let mean = 0
  if (norm === 'layer') for (const value of x) mean += value / x.length
  let square = 0
  for (const value of x) square += (value - mean) ** 2 / x.length
  return Math.sqrt(square + norm_eps)
}
