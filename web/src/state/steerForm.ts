/** Everything that a steering run needs, and how it stands in the address. */
import type { Intervention, SteerRequest } from '../../../src/api/index.ts'
import { leadOf } from '../../../src/steer/strengths.ts'
import { recall } from './remembered.ts'
import type { DecidedSweep } from './sweeping.ts'
import {
  formatInterventions,
  longestInUrl,
  parseInterventions,
  parseTurns,
  type SteerState,
} from './urlState.ts'

/** Which strengths a sweep takes. */
export type Doses = 'up' | 'down' | 'both'

/** The form. */
export type SteerForm = {
  readonly prompt: string
  readonly interventions: readonly Intervention[]
  readonly seed: number
  readonly temperature: number
  readonly tokens: number
  /** Asks for a third text where it is not undefined. */
  readonly instruction: string | undefined
  readonly chat: boolean
  /** What the user said before in the chat. */
  readonly turns: readonly string[]
  readonly doses: Doses | undefined
  readonly samples: number
}

/** What stands in a fresh form; the prompt is the reader's to choose. */
export const freshForm: SteerForm = {
  prompt: 'The old man looked at the sea and said',
  interventions: [],
  seed: 1,
  temperature: 0.7,
  tokens: 60,
  instruction: undefined,
  chat: false,
  turns: [],
  doses: undefined,
  samples: 4,
}

/** The form that an address stands for. */
export const formOf = (state: SteerState): SteerForm => ({
  prompt: state.prompt ?? (state.chat === 'on' ? '' : (recall('prompt') ?? freshForm.prompt)),
  interventions: parseInterventions(state.with),
  seed: state.seed ?? freshForm.seed,
  temperature: state.temperature ?? freshForm.temperature,
  tokens: state.tokens ?? freshForm.tokens,
  instruction: state.instruction,
  chat: state.chat === 'on',
  turns: parseTurns(state.turns),
  doses: state.doses,
  samples: state.samples ?? freshForm.samples,
})

/** The form as it stands in the address; texts too long for it stay out. */
export function stateOf(form: SteerForm): SteerState {
  const turns = form.turns.length > 0 ? JSON.stringify(form.turns) : ''
  const fits = form.prompt.length + turns.length <= longestInUrl
  return {
    ...(fits ? { prompt: form.prompt } : {}),
    ...(form.interventions.length > 0 ? { with: formatInterventions(form.interventions) } : {}),
    seed: form.seed,
    temperature: form.temperature,
    tokens: form.tokens,
    ...(form.instruction === undefined ? {} : { instruction: form.instruction }),
    ...(form.chat ? { chat: 'on' } : {}),
    ...(fits && turns !== '' ? { turns } : {}),
    ...(form.doses === undefined ? {} : { doses: form.doses }),
    ...(form.samples === freshForm.samples ? {} : { samples: form.samples }),
  }
}

/** What every turn of a run is asked with. */
export const settingsOf = (form: SteerForm): Omit<SteerRequest, 'prompt' | 'chat'> => ({
  interventions: [...form.interventions],
  max_tokens: form.tokens,
  temperature: form.temperature,
  seed: form.seed,
  ...(form.instruction ? { instruction: form.instruction } : {}),
})

const upward = [0, 0.25, 0.5, 1, 1.5, 2, 3, 4]
/** Texts of a sweep are no longer than this: it writes many. */
const mostSweepTokens = 40

/** Whether there is a strength to sweep: ablations have none. */
export const canSweep = ({ interventions }: SteerForm): boolean =>
  interventions.some(({ mode }) => mode !== 'ablate')

/** The strengths that a sweep takes: as chosen, otherwise those of the sign that the strongest latent's strength has. */
export function dosesOf(form: SteerForm): Doses {
  if (form.doses !== undefined || !canSweep(form)) return form.doses ?? 'up'
  const lead = form.interventions[leadOf(form.interventions)]
  return lead !== undefined && lead.strength < 0 ? 'down' : 'up'
}

/** What a sweep goes on from; of a chat it measures the first answer. */
export const sweptPrompt = ({ prompt, chat, turns }: SteerForm): string =>
  chat ? (turns[0] ?? prompt) : prompt

/** The request of a sweep. */
export function sweepOf(form: SteerForm): DecidedSweep {
  const downward = upward.map((x) => -x).toReversed()
  const strengths = { up: upward, down: downward, both: [...downward.slice(0, -1), ...upward] }
  return {
    prompt: sweptPrompt(form),
    ...(form.chat ? { chat: [] } : {}),
    interventions: [...form.interventions],
    strengths: strengths[dosesOf(form)],
    n_samples: form.samples,
    max_tokens: Math.min(form.tokens, mostSweepTokens),
    temperature: form.temperature,
    seed: form.seed,
  }
}
