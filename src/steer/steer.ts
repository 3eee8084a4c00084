/** Default and steered text side by side, from the same prompt and the same seed. */

import { type GeneratedToken, type GenerateOptions, generate, type Model } from '../model/index.ts'
import { type Intervention, interventionEdits } from './interventions.ts'

export type SteerSide = 'default' | 'steered'

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
  /** Both texts, without the prompt. */
  | { readonly type: 'done'; readonly default: string; readonly steered: string }

export type SteerOptions = Omit<GenerateOptions, 'edits' | 'reads'> & {
  readonly interventions: readonly Intervention[]
}

/**
 * Generates twice, token by token in turn. Both sides draw from their own copy of the same random numbers, so with no
 * effect of the interventions the texts are equal. The token that ends a text is not among the events.
 * @throws RangeError if an intervention or option is out of range.
 */
export async function* steer(
  model: Model,
  { interventions, ...options }: SteerOptions,
): AsyncGenerator<SteerEvent, void, undefined> {
  const steering = interventionEdits(interventions)
  const texts = { default: '', steered: '' }
  let running: { side: SteerSide; tokens: AsyncGenerator<GeneratedToken> }[] = [
    { side: 'default', tokens: generate(model, options) },
    { side: 'steered', tokens: generate(model, { ...options, ...steering }) },
  ]
  while (running.length > 0) {
    const ended = new Set<SteerSide>()
    for (const { side, tokens } of running) {
      const { done, value } = await tokens.next()
      if (done) {
        ended.add(side)
        continue
      }
      const { piece, text, logprob, stop } = value
      texts[side] += text
      if (stop !== 'end_of_text') yield { type: 'token', side, piece, text, logprob }
    }
    running = running.filter(({ side }) => !ended.has(side))
  }
  yield { type: 'done', ...texts }
}
