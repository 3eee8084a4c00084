/** Texts for the causal scorer: a model going on from everyday openings, as it is and with a latent turned up. */
import type { Model } from '../../model/index.ts'
import { type Intervention, steer } from '../../steer/index.ts'
import type { Steered } from './types.ts'

/** Openings that lead nowhere in particular. */
const OPENINGS = [
  'The first thing I saw was',
  'They came back and',
  'It is said that',
  'On the table there was',
  'I have always thought that',
  'In the middle of',
  'Nobody knew why',
  'She looked at',
  'After that we',
  'The best part of',
] as const

const MAX_TOKENS = 40
const TEMPERATURE = 0.7

/** What the model writes on each side, openings left out; the same seeds each time. @throws as `steer`. */
export async function writeSteered(
  model: Model,
  intervention: Intervention,
  signal: AbortSignal,
): Promise<Steered> {
  const plain: string[] = []
  const steered: string[] = []
  for (const [seed, prompt] of OPENINGS.entries()) {
    const sampling = { seed, max_tokens: MAX_TOKENS, temperature: TEMPERATURE }
    const events = steer(model, { prompt, interventions: [intervention], ...sampling, signal })
    for await (const event of events) {
      if (event.type !== 'done') continue
      plain.push(event.default)
      steered.push(event.steered)
    }
  }
  return { plain, steered }
}
