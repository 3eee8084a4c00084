/** Causal: does what the label says appear in text written with the latent turned up, more than in text written without? */
import type { Scorer } from './types.ts'
import { LEAST_EXAMPLES, yesOrNo } from './yesOrNo.ts'

const SYSTEM = `You are given a description and some short texts that a small language model wrote. The texts may be clumsy, repetitive or without sense; that does not matter. For each text say 1 if what the description says can be found in it, and 0 if it cannot. For a description that begins with "before", look for what follows that word in the description.

Answer with one JSON object and nothing else: {"answers": [...]}, one number for each text, in order.`

export const causal: Scorer = (subject) => {
  const { plain = [], steered = [] } = subject.generated ?? {}
  if (Math.min(plain.length, steered.length) < LEAST_EXAMPLES)
    return { lacks: `there are ${steered.length} steered texts, expected ${LEAST_EXAMPLES}` }
  const items = [
    ...steered.map((text) => ({ text: oneLine(text), truth: true })),
    ...plain.map((text) => ({ text: oneLine(text), truth: false })),
  ]
  return yesOrNo(subject, items, 'causal', SYSTEM)
}

const oneLine = (text: string): string => text.replaceAll('\n', '↵').trim()
