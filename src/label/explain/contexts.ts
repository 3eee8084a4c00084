/** The explainer by contexts: marked texts, the tokens that follow, and the output tokens that the latent raises. */
import { ANSWER, type Explainer, markedSections, tokenSections } from './prompt.ts'

const SYSTEM = `You name detectors found inside a small language model. A detector fires on some tokens of a text and stays silent on all others. You are shown texts in which it fires, with the tokens it fires on between << and >>. Find what those tokens, or the places where they stand, have in common, and name it so that a reader could tell where the detector will fire in a new text.

Consider in turn: the marked tokens themselves (a word, part of a word, a kind of word or sign); what stands right before them; what comes right after them, which the detector may be predicting; the subject of the texts. Raised tokens are output tokens that the detector makes more likely: trust them only if they agree with the texts. Prefer the most specific name that fits nearly all texts.

${ANSWER}`

export const contexts: Explainer = (shown) =>
  shown.examples.some((e) => e.interval === 0)
    ? { system: SYSTEM, user: [...markedSections(shown), ...tokenSections(shown)].join('\n\n') }
    : undefined
