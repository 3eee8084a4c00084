/** Texts of a model as it is and as it is steered, side by side, from the same prompt and the same seed. */

import {
  type ForwardOptions,
  type ForwardResult,
  type GeneratedToken,
  type GenerateOptions,
  generate,
  type Model,
  padBatch,
} from '../model/index.ts'
import { type Intervention, interventionEdits } from './interventions.ts'
import { promptOf, type SteerPrompt, type SteerSide } from './prompt.ts'

/** One thing of every side; `prompted` only where it was asked for. */
type OfSides<T> = { readonly default: T; readonly steered: T; readonly prompted?: T }

export type SteerEvent =
  | {
      readonly type: 'token'
      readonly side: SteerSide
      readonly piece: string
      /** What it adds to the text; see GeneratedToken. */
      readonly text: string
      /** In nats, under the side's own distribution. */
      readonly logprob: number
    }
  /** The texts, without the prompt. */
  | ({
      readonly type: 'done'
      /**
       * Of every token given, in nats, under the model as it is and behind the prompt without the instruction: what makes the
       * sides' perplexities comparable. Absent for a text without tokens.
       */
      readonly logprobs: { readonly [side in SteerSide]?: number[] }
    } & OfSides<string>)

export type SteerOptions = Omit<GenerateOptions, 'edits' | 'reads' | 'prompt' | 'ids'> &
  SteerPrompt & {
    readonly interventions: readonly Intervention[]
    /** Asks for a third text, of the model as it is, with this and an empty line in front of the prompt. */
    readonly instruction?: string | undefined
  }

/**
 * Generates all sides, token by token in turn. Each draws from its own copy of the same random numbers, so with no effect of
 * the interventions the texts are equal. The token that ends a text is not among the events.
 * @throws as `promptOf` and `interventionEdits`; RangeError if an option is out of range.
 */
export async function* steer(
  model: Model,
  { interventions, instruction, prompt, ids, chat, ...options }: SteerOptions,
): AsyncGenerator<SteerEvent, void, undefined> {
  const given = { prompt, ids, chat }
  const names: SteerSide[] = [
    'default',
    'steered',
    ...(instruction === undefined ? [] : ['prompted' as const]),
  ]
  const sides = names.map((side) => {
    const start = promptOf(model, given, side, side === 'prompted' ? instruction : '')
    const steering = side === 'steered' ? interventionEdits(interventions, start.layout) : {}
    const stop = [...start.stop, ...(options.stop ?? [])]
    const tokens = generate(model, { ...options, ...steering, ids: start.ids, stop })
    return { side, tokens, text: '', answer: [] as number[], logprobs: [] as number[] }
  })
  try {
    let running = sides
    while (running.length > 0) {
      const ended = new Set<SteerSide>()
      for (const own of running) {
        const { side, tokens } = own
        const { done, value } = await tokens.next()
        if (done) {
          ended.add(side)
          continue
        }
        const { piece, text, logprob } = value
        own.text += text
        if (isEnd(value)) continue
        own.answer.push(value.id)
        own.logprobs.push(logprob)
        yield { type: 'token', side, piece, text, logprob }
      }
      running = running.filter(({ side }) => !ended.has(side))
    }
  } finally {
    for (const { tokens } of sides) await tokens.return()
  }
  for (const own of sides) {
    if (own.side === 'default' || own.answer.length === 0) continue
    const { ids: plain } = promptOf(model, given, own.side)
    const { losses } = await readAnswer(model, plain, own.answer, options)
    own.logprobs = losses.map((loss) => -loss)
  }
  const texts = Object.fromEntries(sides.map(({ side, text }) => [side, text]))
  const scored = sides.filter(({ answer }) => answer.length > 0)
  yield {
    type: 'done',
    ...(texts as OfSides<string>),
    logprobs: Object.fromEntries(scored.map(({ side, logprobs }) => [side, logprobs])),
  }
}

/** Whether a token ends its text and is no part of it. */
export const isEnd = ({ stop }: GeneratedToken): boolean => stop === 'end_of_text'

/**
 * Reads a prompt and what follows it with the model as it is.
 * @param hooks sites whose activations to return, over prompt and answer.
 * @returns the loss of every token of the answer, in nats.
 */
export async function readAnswer(
  model: Model,
  prompt: Int32Array,
  answer: readonly number[],
  { hooks = [], signal }: Pick<ForwardOptions, 'hooks' | 'signal'>,
): Promise<{ losses: number[]; acts: ForwardResult['acts'] }> {
  const { next_token_loss, acts } = await model.forward(
    padBatch([Int32Array.from([...prompt, ...answer])]),
    { hooks, loss: true, ...(signal === undefined ? {} : { signal }) },
  )
  // Entry t is the loss of token t + 1.
  return { losses: Array.from(next_token_loss!.subarray(prompt.length - 1)), acts }
}
