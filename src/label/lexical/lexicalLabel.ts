/**
 * A label without a language model: what a latent's examples have in common, in words that anyone can check.
 *
 * 1. At the peak of every example the whole word, its neighbours, its place and its context are noted (`observe.ts`).
 * 2. Claims are made from the top examples: a word, a class of words, what stands before, what comes next (`claims.ts`).
 * 3. Each claim is counted on the top examples; the one with most support, weighed by how much it says, is the label.
 * 4. A claim about the peak is narrowed by one about its surroundings where that holds nearly always.
 * 5. The same claim is counted on examples of lower activation: that share is in the evidence.
 */
import type { LatentRecord } from '../../latents/index.ts'
import type { WordBackground } from './background.ts'
import { type Claim, claimsOf } from './claims.ts'
import { type Observation, observe } from './observe.ts'
import { quote } from './phrase.ts'
import { pieceText } from './words.ts'

/** Who says so, for the label's `author`. */
export const LEXICAL_AUTHOR = 'hooke lexical'

/** A claim must hold on this share of the top examples ... */
const STRONG = 0.65
/** ... or on this share, and then the label begins with "perhaps". */
const WEAK = 0.4
/** Another claim narrows the label where it holds on this share of what the label holds on. */
const NARROW = 0.75
const LONGEST_TEXT = 90

export type LexicalOptions = {
  /** [d_vocab] each token's text with its leading space. */
  readonly pieces: readonly string[]
  /** How common words are (`wordBackground`); without it what a latent is about is guessed with more caution. */
  readonly background?: WordBackground | undefined
  /** Tokens that were counted, named in the label of a dead latent. */
  readonly n_tokens?: number | undefined
}

export type LexicalLabel = {
  readonly text: string
  /** What was counted: "peak on “moon” in 17 of 20 top examples, 12 of 20 weaker ones; raises “light”". */
  readonly evidence: string
  /** Share of all examples shown, top and weaker, on which the label holds; absent for a dead latent. */
  readonly confidence?: number
}

/** Describes any latent, never empty; a dead one as dead, one without a pattern by its words and a low confidence. */
export function lexicalLabel(record: LatentRecord, options: LexicalOptions): LexicalLabel {
  const { pieces, background, n_tokens } = options
  const { top, weaker } = observe(record, pieces)
  if (top.length === 0) {
    const on =
      n_tokens === undefined ? 'any token' : `any of ${n_tokens.toLocaleString('en')} tokens`
    return {
      text: `dead: does not fire on ${on}`,
      evidence: `no activation on ${on} of the corpus`,
    }
  }
  const claims = [...claimsOf(top, record, pieces, background)]
  const [best] = claims
    .map((claim) => ({ claim, share: shareOf(claim, top) }))
    .sort((a, b) => b.share * b.claim.worth - a.share * a.claim.worth)
  if (!best || best.share < WEAK) return mixed(top, record, pieces)
  const main = best.claim
  const narrowing = narrow(main, claims, top)
  const label = narrowing?.qualifier ? `${main.text} ${narrowing.qualifier}` : main.text
  const count = (of: readonly Observation[]) => `${of.filter(main.holds).length} of ${of.length}`
  return {
    text: shorten(best.share < STRONG ? `perhaps ${label}` : label),
    evidence: [
      `${main.evidence} in ${count(top)} top examples${weaker.length > 0 ? `, ${count(weaker)} weaker ones` : ''}`,
      ...(narrowing
        ? [
            `${narrowing.evidence} in ${top.filter((o) => main.holds(o) && narrowing.holds(o)).length} of them`,
          ]
        : []),
      ...raises(record, pieces),
    ].join('; '),
    confidence: shareOf(main, [...top, ...weaker]),
  }
}

const shareOf = ({ holds }: Claim, of: readonly Observation[]): number =>
  of.length === 0 ? 0 : of.filter(holds).length / of.length

/** The claim about the surroundings that holds most often where `main` does; few examples prove nothing. */
function narrow(
  main: Claim,
  claims: readonly Claim[],
  top: readonly Observation[],
): Claim | undefined {
  const those = top.filter(main.holds)
  if (main.about !== 'peak' || those.length < 4) return undefined
  const [best] = claims
    .filter((claim) => claim.about !== 'peak' && claim.qualifier !== undefined)
    .map((claim) => ({ claim, share: shareOf(claim, those) }))
    .filter(({ share }) => share >= NARROW)
    .sort((a, b) => b.share * b.claim.worth - a.share * a.claim.worth)
  return best?.claim
}

function mixed(
  top: readonly Observation[],
  record: LatentRecord,
  pieces: readonly string[],
): LexicalLabel {
  const seen = [...new Set(top.map((o) => o.word.text))].slice(0, 4).map(quote).join(', ')
  return {
    text: shorten(`mixed: ${seen}`),
    evidence: [
      `no pattern holds on ${100 * WEAK} % of ${top.length} top examples`,
      ...raises(record, pieces),
    ].join('; '),
    confidence: 0,
  }
}

function raises(record: LatentRecord, pieces: readonly string[]): string[] {
  const all = record.top_logits.map(({ id }) => quote(pieceText(pieces[id] ?? '').trim() || '\n'))
  const shown = [...new Set(all)].slice(0, 3)
  return shown.length === 0 ? [] : [`raises ${shown.join(', ')}`]
}

function shorten(text: string): string {
  const chars = [...text.replaceAll('\n', '↵')]
  return chars.length <= LONGEST_TEXT
    ? chars.join('')
    : `${chars.slice(0, LONGEST_TEXT - 1).join('')}…`
}
