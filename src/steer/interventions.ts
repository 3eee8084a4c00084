/** Interventions on latents as edits of the activations their dictionary reads. */

import type { HookActs, HookEdit } from '../model/index.ts'
import type { Sae } from '../sae/index.ts'

/**
 * What is done to a latent's part of an activation h; f is its value there and v its decoder row:
 *
 * | mode | h becomes | strength |
 * |---|---|---|
 * | add | h + c v | c in units of the latent's own maximum activation |
 * | clamp | h + (c - f) v | likewise |
 * | scale | h + (s - 1) f v | the factor s |
 * | ablate | h - f v | not used |
 *
 * In all of them the dictionary's error, h - recon, stays as it is.
 */
export type InterventionMode = 'add' | 'clamp' | 'scale' | 'ablate'

export type Intervention = {
  readonly sae: Sae
  readonly latent: number
  readonly mode: InterventionMode
  readonly strength: number
  /** The latent's largest activation, as its record has it: the unit of `add` and `clamp`. */
  readonly max_act: number
}

/**
 * Edits for a set of interventions, one a hook site.
 *
 * The values f of all latents at one site are computed before any is changed, so their order does not matter and each
 * changes by its own rule what the model itself had. Position 0 is left alone: it holds BOS, whose activations are of
 * another scale and which the dictionaries never saw. Padding is left alone too.
 *
 * After a clamp the latent's pre-activation is `pre + (c - f) W_dec[latent] . W_enc[:, latent]`: exactly c where the latent
 * was on and that product is 1, otherwise as near as encoder and decoder agree.
 * @throws RangeError if a latent is not in its dictionary, or `add` or `clamp` has no positive finite `max_act`.
 * Source: the operators of Templeton et al. 2024 ("Scaling Monosemanticity") and of AxBench, arXiv:2501.17148.
 */
export function interventionEdit(interventions: readonly Intervention[]): HookEdit[] {
  for (const intervention of interventions) check(intervention)
  const sites = Map.groupBy(interventions, ({ sae }) => sae.hook_name)
  return Array.from(sites, ([hook, here]) => {
    const latents = here.map(openLatent)
    return { hook, apply: (acts) => applyAll(latents, hook, acts) }
  })
}

/** The value of one latent at x [d_in], `pre * (pre > threshold)` with `pre = x . W_enc[:, latent] + b_enc[latent]`. */
export function latentValue(sae: Sae, latent: number, x: Float32Array): number {
  return openLatent({ sae, latent, mode: 'ablate', strength: 0, max_act: 0 }).value(x, 0)
}

function check({ sae, latent, mode, strength, max_act }: Intervention): void {
  if (!(Number.isInteger(latent) && latent >= 0 && latent < sae.d_sae)) {
    throw new RangeError(
      `interventionEdit: latent ${latent}, expected 0 to ${sae.d_sae - 1} (the dictionary at ${sae.hook_name} has ${sae.d_sae}).`,
    )
  }
  if (!Number.isFinite(strength)) {
    throw new RangeError(`interventionEdit: strength is ${strength}, expected a finite number.`)
  }
  if ((mode === 'add' || mode === 'clamp') && !(max_act > 0 && max_act < Infinity)) {
    throw new RangeError(
      `interventionEdit: max_act of latent ${latent} at ${sae.hook_name} is ${max_act}, but ${mode} takes its strength in units of it. The latent was never active where it was measured: choose another, or scale or ablate.`,
    )
  }
}

/** One latent's own numbers, taken out of the dictionary once. */
type OpenLatent = {
  readonly d_in: number
  readonly direction: Float32Array
  /** f at x[from .. from + d_in]. */
  value(x: Float32Array, from: number): number
  /** How far h moves along the direction where the latent has the value f. */
  shift(f: number): number
}

function openLatent({ sae, latent, mode, strength, max_act }: Intervention): OpenLatent {
  const { d_in, d_sae } = sae
  const encoder = Float32Array.from({ length: d_in }, (_, j) => sae.W_enc[j * d_sae + latent]!)
  const bias = sae.b_enc[latent]!
  const threshold = sae.threshold[latent]!
  const target = strength * max_act
  return {
    d_in,
    direction: sae.W_dec.slice(latent * d_in, (latent + 1) * d_in),
    value(x, from) {
      let pre = bias
      for (let j = 0; j < d_in; j++) pre += x[from + j]! * encoder[j]!
      return pre > threshold ? pre : 0
    },
    shift(f) {
      switch (mode) {
        case 'add':
          return target
        case 'clamp':
          return target - f
        case 'scale':
          return (strength - 1) * f
        case 'ablate':
          return -f
        default:
          throw new TypeError(`interventionEdit: unknown mode ${mode satisfies never}.`)
      }
    },
  }
}

function applyAll(latents: readonly OpenLatent[], hook: string, acts: HookActs): void {
  const { data, n_seqs, seq_len, d, start, lengths } = acts
  const misfit = latents.find(({ d_in }) => d_in !== d)
  if (misfit !== undefined) {
    throw new RangeError(
      `interventionEdit: ${hook} is ${d} wide, the dictionary d_in ${misfit.d_in}. Was it trained on another model?`,
    )
  }
  const first = start === 0 ? 1 : 0
  for (let seq = 0; seq < n_seqs; seq++) {
    for (let t = first; t < lengths[seq]!; t++) {
      const from = (seq * seq_len + t) * d
      const shifts = latents.map((latent) => latent.shift(latent.value(data, from)))
      latents.forEach(({ direction }, i) => {
        const shift = shifts[i]!
        for (let j = 0; j < d; j++) data[from + j] = data[from + j]! + shift * direction[j]!
      })
    }
  }
}
