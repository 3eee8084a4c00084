/** Interventions on latents as edits of the activations their dictionary writes. */

import {
  type ForwardOptions,
  type HookActs,
  type HookEdit,
  type HookName,
  type HookRead,
  isBefore,
} from '../model/index.ts'
import { outputSite, type Sae } from '../sae/index.ts'

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
 * In all of them the dictionary's error, h - recon, stays as it is. Of a transcoder, h is the activation at the site it
 * writes, and f is found at the site it reads.
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
 * What a forward pass has to do for a set of interventions: one edit for each hook site written, and reads where
 * transcoders find their values.
 *
 * The values f of all latents at one site are computed before any is changed, so their order does not matter and each
 * changes by its own rule what the model itself had. Position 0 is left alone: it holds BOS, whose activations are of
 * another scale and which the dictionaries never saw. Padding is left alone too.
 *
 * After a clamp the latent's pre-activation is `pre + (c - f) W_dec[latent] . W_enc[:, latent]`: exactly c where the latent
 * was on and that product is 1, otherwise as near as encoder and decoder agree. A transcoder's pre-activation stays as it
 * is, because what it reads lies before what it writes.
 * @throws RangeError if a latent is not in its dictionary, `add` or `clamp` has no positive finite `max_act`, or a
 *   transcoder writes before it reads and the mode needs f.
 * Source: the operators of Templeton et al. 2024 ("Scaling Monosemanticity") and of AxBench, arXiv:2501.17148.
 */
export function interventionEdits(
  interventions: readonly Intervention[],
): Required<Pick<ForwardOptions, 'edits' | 'reads'>> {
  for (const intervention of interventions) check(intervention)
  const latents = interventions.map(openLatent)
  const edits = Array.from(
    Map.groupBy(latents, ({ writes }) => writes),
    ([hook, here]): HookEdit => ({ hook, apply: (acts) => applyAll(here, acts) }),
  )
  const reads = latents
    .filter(({ sees }) => sees === 'before')
    .map((latent): HookRead => ({ hook: latent.reads, read: (acts) => findValues(latent, acts) }))
  return { edits, reads }
}

/**
 * The value of one latent at x [d_in]: `pre = x . W_enc[:, latent] + b_enc[latent]` where the architecture keeps it, else 0.
 * TopK keeps it if it is above 0 and fewer than k latents have a larger one.
 */
export function latentValue(sae: Sae, latent: number, x: Float32Array): number {
  return openEncoder(sae, latent)(x, 0)
}

function check({ sae, latent, mode, strength, max_act }: Intervention): void {
  if (!(Number.isInteger(latent) && latent >= 0 && latent < sae.d_sae)) {
    throw new RangeError(
      `interventionEdits: latent ${latent}, expected 0 to ${sae.d_sae - 1} (the dictionary at ${sae.hook_name} has ${sae.d_sae}).`,
    )
  }
  if (!Number.isFinite(strength)) {
    throw new RangeError(`interventionEdits: strength is ${strength}, expected a finite number.`)
  }
  if ((mode === 'add' || mode === 'clamp') && !(max_act > 0 && max_act < Infinity)) {
    throw new RangeError(
      `interventionEdits: max_act of latent ${latent} at ${sae.hook_name} is ${max_act}, but ${mode} takes its strength in units of it. The latent was never active where it was measured: choose another, or scale or ablate.`,
    )
  }
  const { hook } = outputSite(sae)
  if (mode !== 'add' && isBefore(hook, sae.hook_name)) {
    throw new RangeError(
      `interventionEdits: the transcoder writes ${hook}, which the pass reaches before ${sae.hook_name}, where it reads, so the latent's value is not known in time for ${mode}. Use add, which does not need it.`,
    )
  }
}

/** One latent's own numbers, taken out of the dictionary once. */
type OpenLatent = {
  readonly reads: HookName
  readonly writes: HookName
  readonly d_in: number
  readonly d_out: number
  readonly direction: Float32Array
  /** Where f is found: at the site written, at one before it, or nowhere because the mode does not need it. */
  readonly sees: 'here' | 'before' | 'nothing'
  /** f at x[from .. from + d_in]. */
  readonly value: (x: Float32Array, from: number) => number
  /** How far h moves along the direction where the latent has the value f. */
  readonly shift: (f: number) => number
  /** Of `sees: 'before'`: f of every row of the pass under way. */
  found: Float64Array
}

function openLatent({ sae, latent, mode, strength, max_act }: Intervention): OpenLatent {
  const { hook: writes, d: d_out } = outputSite(sae)
  const target = strength * max_act
  return {
    reads: sae.hook_name,
    writes,
    d_in: sae.d_in,
    d_out,
    direction: sae.W_dec.slice(latent * d_out, (latent + 1) * d_out),
    sees: mode === 'add' ? 'nothing' : writes === sae.hook_name ? 'here' : 'before',
    value: openEncoder(sae, latent),
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
          throw new TypeError(`interventionEdits: unknown mode ${mode satisfies never}.`)
      }
    },
    found: new Float64Array(0),
  }
}

/** The value of one latent at x[from .. from + d_in]. */
function openEncoder(sae: Sae, latent: number): (x: Float32Array, from: number) => number {
  const { architecture, d_in, d_sae, W_enc, b_enc } = sae
  const encoder = Float32Array.from({ length: d_in }, (_, j) => W_enc[j * d_sae + latent]!)
  const preAct = (x: Float32Array, from: number): number => {
    let pre = b_enc[latent]!
    for (let j = 0; j < d_in; j++) pre += x[from + j]! * encoder[j]!
    return pre
  }
  switch (architecture) {
    case 'jumprelu': {
      const threshold = sae.threshold[latent]!
      return (x, from) => {
        const pre = preAct(x, from)
        return pre > threshold ? pre : 0
      }
    }
    case 'topk': {
      const pre_acts = new Float64Array(d_sae)
      return (x, from) => {
        const pre = preAct(x, from)
        if (!(pre > 0)) return 0
        pre_acts.set(b_enc)
        for (let j = 0; j < d_in; j++) {
          const h = x[from + j]!
          for (let i = 0; i < d_sae; i++) pre_acts[i]! += h * W_enc[j * d_sae + i]!
        }
        const n_larger = pre_acts.reduce((n, other) => n + Number(other > pre), 0)
        return n_larger < sae.k! ? pre : 0
      }
    }
    default:
      return architecture satisfies never
  }
}

/** Positions of a pass that interventions act on, as rows of its arrays: all but BOS and padding. */
function* rowsOf({ n_seqs, seq_len, start, lengths }: HookActs): Generator<number> {
  const first = start === 0 ? 1 : 0
  for (let seq = 0; seq < n_seqs; seq++) {
    for (let t = first; t < lengths[seq]!; t++) yield seq * seq_len + t
  }
}

function findValues(latent: OpenLatent, acts: HookActs): void {
  checkWidth(acts, 'd_in', latent.d_in)
  latent.found = new Float64Array(acts.n_seqs * acts.seq_len)
  for (const row of rowsOf(acts)) latent.found[row] = latent.value(acts.data, row * acts.d)
}

function applyAll(latents: readonly OpenLatent[], acts: HookActs): void {
  const { data, d } = acts
  for (const { d_out } of latents) checkWidth(acts, 'd_out', d_out)
  for (const row of rowsOf(acts)) {
    const from = row * d
    const shifts = latents.map(({ sees, value, found, shift }) => {
      switch (sees) {
        case 'here':
          return shift(value(data, from))
        case 'before':
          return shift(found[row]!)
        case 'nothing':
          return shift(0)
        default:
          return sees satisfies never
      }
    })
    latents.forEach(({ direction }, i) => {
      const shift = shifts[i]!
      for (let j = 0; j < d; j++) data[from + j] = data[from + j]! + shift * direction[j]!
    })
  }
}

function checkWidth({ hook, d }: HookActs, name: 'd_in' | 'd_out', size: number): void {
  if (d === size) return
  throw new RangeError(
    `interventionEdits: ${hook} is ${d} wide, the dictionary's ${name} is ${size}. Was it trained on another model?`,
  )
}
