/** Steering: texts side by side, and the sweep over strengths. */
import { z } from '@hono/zod-openapi'
import { SaeId } from './common.ts'

const Text = z.string().max(20_000)

export const Intervention = z.object({
  sae: SaeId,
  latent: z.number().int().min(0),
  mode: z.enum(['add', 'scale', 'clamp', 'ablate']),
  /** add, clamp: in units of the latent's own maximum activation; scale: a factor; ablate: unused. */
  strength: z.number().min(-100).max(100).default(1),
  /** Only on tokens where the latent fires; everywhere where absent. */
  conditional: z.boolean().optional(),
  /** Tokens given, tokens generated, or both; of a chat what the user says, what the model says in every turn, or both. `all` where absent. */
  positions: z.enum(['all', 'prompt', 'answer']).optional(),
  /** Special tokens and what the chat template writes around what is said, too, as part of the tokens given; BOS is left alone. */
  frame: z.boolean().optional(),
})

/** `default` is the model as it is, `steered` has latents changed, `prompted` is told what to write instead. */
export const SteerSide = z.enum(['default', 'steered', 'prompted'])

/** An earlier turn of a chat, with each side's own answer. */
export const SteerTurn = z.object({
  user: Text,
  default: Text,
  steered: Text,
  /** Needed where an instruction is given. */
  prompted: Text.optional(),
})

const common = {
  /** Text to go on from; with `chat`, what the user says next. */
  prompt: Text,
  /** Earlier turns, none at first. The prompt is then answered as the model's chat template has it: 400 where it has none. */
  chat: z.array(SteerTurn).max(64).optional(),
  interventions: z.array(Intervention).min(1).max(16),
  temperature: z.number().min(0).max(5).default(0.7),
  top_k: z.number().int().min(0).default(0),
  top_p: z.number().min(0).max(1).default(1),
  seed: z.number().int().default(0),
}

export const SteerRequest = z.object({
  ...common,
  /** Asks for the side `prompted`: this and an empty line stand in front of its prompt, and no latent is changed. */
  instruction: z.string().max(2000).optional(),
  max_tokens: z.number().int().min(1).max(2048).default(60),
})

export const SteerEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('token'),
    side: SteerSide,
    piece: z.string(),
    /** What it adds to the text: empty while the bytes of a character are incomplete. */
    text: z.string().optional(),
    /** Log-probability of this token under the side's own distribution. */
    logprob: z.number(),
  }),
  z.object({
    type: z.literal('done'),
    default: z.string(),
    steered: z.string(),
    prompted: z.string().optional(),
    /** Of every token, in nats, under the model as it is and behind the prompt without the instruction. */
    logprobs: z.object({
      default: z.array(z.number()).optional(),
      steered: z.array(z.number()).optional(),
      prompted: z.array(z.number()).optional(),
    }),
  }),
  z.object({ type: z.literal('error'), error: z.string() }),
])

export const SweepRequest = z.object({
  ...common,
  /** Of the intervention with the largest strength; the others keep their proportion to it. 0 to 4 where absent. */
  strengths: z.array(z.number().min(-100).max(100)).min(1).max(32).optional(),
  /** Texts a strength, from `seed` on: their spread says whether an effect is one. */
  n_samples: z.number().int().min(2).max(32).default(4),
  max_tokens: z.number().int().min(1).max(512).default(40),
})

const Measure = z.object({
  n_tokens: z.number(),
  /** Of the texts under the model as it is. Absent like all below where there is no token to measure. */
  perplexity: z.number().optional(),
  /** Share of 3-grams that occurred in the same text before, 0 to 1. */
  repetition: z.number().optional(),
  /** [interventions][texts]: mean activation of the latent in the text as the model by itself reads it. */
  acts: z.array(z.array(z.number())),
  texts: z.array(z.string()),
})

export const SweepVerdict = z.enum(['useful', 'no_effect', 'unlikely', 'repetitive'])

export const SweepEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), n_done: z.number(), n_total: z.number() }),
  Measure.extend({ type: z.literal('default') }),
  Measure.extend({
    type: z.literal('point'),
    strength: z.number(),
    /** D_KL(steered || default) of the next-token distributions, nats a token of the default's texts. */
    kl: z.number().optional(),
    verdict: SweepVerdict,
  }),
  z.object({
    type: z.literal('done'),
    /** Neighbouring strengths that are useful. */
    bands: z.array(z.object({ from: z.number(), to: z.number() })),
    /** What useful means, in words. */
    rule: z.string(),
  }),
  z.object({ type: z.literal('error'), error: z.string() }),
])

export type Intervention = z.infer<typeof Intervention>
export type SteerSide = z.infer<typeof SteerSide>
export type SteerTurn = z.infer<typeof SteerTurn>
export type SteerRequest = z.input<typeof SteerRequest>
export type SteerEvent = z.infer<typeof SteerEvent>
export type SweepRequest = z.input<typeof SweepRequest>
export type SweepVerdict = z.infer<typeof SweepVerdict>
export type SweepEvent = z.infer<typeof SweepEvent>
