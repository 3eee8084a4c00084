/** Interventions on latents as edits of the activations their dictionary writes. */

import {
  type ForwardOptions,
  type HookActs,
  type HookEdit,
  type HookName,
  type HookRead,
  isBefore,
  type Model,
} from '../model/index.ts'
import { outputSite, type Sae } from '../sae/index.ts'
import type { TokenKind } from './chatLayout.ts'

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

/** Tokens given, tokens generated behind them, or both; of a chat what the user says, what the model says in every turn, or both. */
export type InterventionPositions = 'all' | 'prompt' | 'answer'

export type Intervention = {
  readonly sae: Sae
  readonly latent: number
  readonly mode: InterventionMode
  readonly strength: number
  /** The latent's largest activation, as its record has it: the unit of `add` and `clamp`. */
  readonly max_act: number
  /** Whether only tokens change on which the latent fires (default false). `scale` and `ablate` change no others anyway. */
  readonly conditional?: boolean | undefined
  /** Default `all`. */
  readonly positions?: InterventionPositions | undefined
  /** Whether special tokens and a chat's frame, which count as given, change too (default false). */
  readonly frame?: boolean | undefined
}

/** What interventions must know of the tokens that a text begins with. */
export type PromptLayout = {
  readonly n_prompt: number
  /** Whether position 0 holds BOS. */
  readonly bos: boolean
  /** [n_prompt]: all `prompt` where absent; `unknown` where a chat's template does not tell. */
  readonly kinds?: readonly TokenKind[] | 'unknown'
}

/** The layout of the ids of a plain prompt, BOS included where there is one: all of them are content. */
export function promptLayout(
  { tokenizer, config }: Pick<Model, 'tokenizer' | 'config'>,
  ids: Int32Array,
): PromptLayout {
  const first = ids[0]
  const bos = first !== undefined && (first === tokenizer?.bos || first === config.bos_token_id)
  return { n_prompt: ids.length, bos }
}

/**
 * What a forward pass has to do for a set of interventions: one edit for each hook site written, and reads where
 * transcoders find their values.
 *
 * The values f of all latents at one site are computed before any is changed, so their order does not matter and each
 * changes by its own rule what the model itself had. BOS at position 0 is left alone: its activations are of another scale,
 * and the dictionaries never saw it. Padding is left alone too, and unless `frame` is set, special tokens and the words that a
 * chat's template puts around what is said.
 *
 * After a clamp the latent's pre-activation is `pre + (c - f) W_dec[latent] . W_enc[:, latent]`: exactly c where the latent
 * was on and that product is 1, otherwise as near as encoder and decoder agree. A transcoder's pre-activation stays as it
 * is, because what it reads lies before what it writes.
 * @param prompt of every row of the passes that these edits go into.
 * @throws RangeError if a latent is not in its dictionary, `add` or `clamp` has no positive finite `max_act`, a transcoder
 *   writes before it reads and f is needed, or a chat's tokens are asked for by who says them and that is not known.
 * Source: the operators of Templeton et al. 2024 ("Scaling Monosemanticity") and of AxBench, arXiv:2501.17148.
 */
export function interventionEdits(
  interventions: readonly Intervention[],
  prompt: PromptLayout,
): Required<Pick<ForwardOptions, 'edits' | 'reads'>> {
  for (const intervention of interventions) check(intervention, prompt)
  const latents = interventions.map(openLatent)
  const edits = Array.from(
    Map.groupBy(latents, ({ writes }) => writes),
    ([hook, here]): HookEdit => ({ hook, apply: (acts) => applyAll(here, acts, prompt) }),
  )
  const reads = latents
    .filter(({ sees }) => sees === 'before')
    .map(
      (latent): HookRead => ({
        hook: latent.reads,
        read: (acts) => findValues(latent, acts, prompt),
      }),
    )
  return { edits, reads }
}

/**
 * The value of one latent at x [d_in]: `pre = x . W_enc[:, latent] + b_enc[latent]` where the architecture keeps it, else 0.
 * TopK keeps it if it is above 0 and fewer than k latents have a larger one.
 */
export function latentValue(sae: Sae, latent: number, x: Float32Array): number {
  return openEncoder(sae, latent)(x, 0)
}

/** Whether what an intervention does depends on the latent's value. */
const needsValue = ({ mode, conditional }: Intervention): boolean =>
  mode !== 'add' || conditional === true

function check(intervention: Intervention, { kinds }: PromptLayout): void {
  const { sae, latent, mode, strength, max_act } = intervention
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
  const isEverywhere = intervention.frame && (intervention.positions ?? 'all') === 'all'
  if (kinds === 'unknown' && !isEverywhere) {
    throw new RangeError(
      "interventionEdits: the model's chat template rewrites what is said, so which tokens are its own is not known. Steer all of them (frame, with positions all), or give the prompt without chat.",
    )
  }
  const { hook } = outputSite(sae)
  if (needsValue(intervention) && isBefore(hook, sae.hook_name)) {
    throw new RangeError(
      `interventionEdits: the transcoder writes ${hook}, which the pass reaches before ${sae.hook_name}, where it reads, so the latent's value is not known in time for ${mode}. Use add at every token, which does not need it.`,
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
  readonly isCovered: (kind: TokenKind) => boolean
  /** Where f is found: at the site written, at one before it, or nowhere because it is not needed. */
  readonly sees: 'here' | 'before' | 'nothing'
  /** f at x[from .. from + d_in]. */
  readonly value: (x: Float32Array, from: number) => number
  /** How far h moves along the direction where the latent has the value f. */
  readonly shift: (f: number) => number
  /** Of `sees: 'before'`: f of every row of the pass under way. */
  found: Float64Array
}

function openLatent(intervention: Intervention): OpenLatent {
  const { sae, latent, mode, strength, max_act, conditional } = intervention
  const { positions = 'all', frame = false } = intervention
  const { hook: writes, d: d_out } = outputSite(sae)
  const target = strength * max_act
  return {
    reads: sae.hook_name,
    writes,
    d_in: sae.d_in,
    d_out,
    direction: sae.W_dec.slice(latent * d_out, (latent + 1) * d_out),
    isCovered: (kind) =>
      kind === 'frame'
        ? frame && positions !== 'answer'
        : positions === 'all' || positions === kind,
    sees: !needsValue(intervention) ? 'nothing' : writes === sae.hook_name ? 'here' : 'before',
    value: openEncoder(sae, latent),
    shift(f) {
      if (conditional && f === 0) return 0
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

/** The value of one latent at x[from .. from + d_in], as `latentValue`, for many x. */
export function openEncoder(sae: Sae, latent: number): (x: Float32Array, from: number) => number {
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

/** Rows of a pass's arrays that interventions may act on, with their positions in the text: all but BOS and padding. */
function* rowsOf(
  { n_seqs, seq_len, start, lengths }: HookActs,
  { bos }: PromptLayout,
): Generator<{ row: number; position: number }> {
  const first = bos && start === 0 ? 1 : 0
  for (let seq = 0; seq < n_seqs; seq++) {
    for (let t = first; t < lengths[seq]!; t++) {
      yield { row: seq * seq_len + t, position: start + t }
    }
  }
}

function kindAt({ n_prompt, kinds }: PromptLayout, position: number): TokenKind {
  if (position >= n_prompt) return 'answer'
  return kinds === undefined || kinds === 'unknown' ? 'prompt' : kinds[position]!
}

function findValues(latent: OpenLatent, acts: HookActs, prompt: PromptLayout): void {
  checkWidth(acts, 'd_in', latent.d_in)
  latent.found = new Float64Array(acts.n_seqs * acts.seq_len)
  for (const { row } of rowsOf(acts, prompt)) {
    latent.found[row] = latent.value(acts.data, row * acts.d)
  }
}

function applyAll(latents: readonly OpenLatent[], acts: HookActs, prompt: PromptLayout): void {
  const { data, d } = acts
  for (const { d_out } of latents) checkWidth(acts, 'd_out', d_out)
  for (const { row, position } of rowsOf(acts, prompt)) {
    const from = row * d
    const kind = kindAt(prompt, position)
    const here = latents.filter(({ isCovered }) => isCovered(kind))
    const shifts = here.map(({ sees, value, found, shift }) => {
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
    here.forEach(({ direction }, i) => {
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
