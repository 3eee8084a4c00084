/**
 * A label without a language model: what a latent's examples have in common, in words that anyone can check.
 *
 * 1. At every token of the examples where it fires the whole word, its neighbours, its place and its context are noted (`observe.ts`).
 * 2. Claims are made from the top examples: a word, a class of words, what stands before, what comes next (`claims.ts`).
 * 3. Each is counted on the top examples and on windows of other text (`background.ts`); the one with most support, weighed by how
 *    much it says and less what chance gives it, heads the label.
 * 4. A claim about the peak is narrowed by one about its surroundings where that holds nearly always and shuts out more than it loses.
 * 5. What the latent fires on beside that is added while it wins more than it costs and the label stays short (`widen.ts`).
 */
import type { LatentRecord } from '../../latents/index.ts'
import type { WordBackground } from './background.ts'
import { type Atom, type Clause, clauseHolds, type LexicalClaim } from './claim.ts'
import { claimsOf, type Proposal } from './claims.ts'
import { type Observation, observe, type Sample } from './observe.ts'
import { quote } from './phrase.ts'
import { type Scale, scaleOf } from './scale.ts'
import { nameOf, widen } from './widen.ts'
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
  /** The same as data; absent for a dead latent. */
  readonly claim?: LexicalClaim
}

/** Describes any latent, never empty; a dead one as dead, one without a pattern by its words and a low confidence. */
export function lexicalLabel(record: LatentRecord, options: LexicalOptions): LexicalLabel {
  const { pieces, background, n_tokens } = options
  const samples = observe(record, pieces)
  const peaks = (kind: Sample['of']) => samples.filter(({ of }) => of === kind).map(({ o }) => o)
  const [top, weaker] = [peaks('top'), peaks('weaker')]
  if (top.length === 0) return deadLabel(n_tokens)
  const scale = scaleOf(samples, record, options)
  const heading = headingOf(top, [...claimsOf(top, record, pieces, background)], scale, pieces)
  const named = (more: readonly Atom[]) => labelText(heading, [...new Set(more.map(nameOf))])
  const fits = (more: readonly Atom[]) => [...named(more)].length <= LONGEST_TEXT
  let more = widen(heading?.claim ?? [], samples, { scale, pieces, fits })
  if (!heading && more.length === 0) more = commonWords(top)
  const claim = [...(heading?.claim ?? []), ...(more.length > 0 ? [{ any: more }] : [])]
  const held = (of: readonly Observation[]) => of.filter((o) => holds(claim, o, pieces)).length
  const all = samples.map(({ o }) => o)
  return {
    text: shorten(named(more)),
    evidence: [
      ...(heading
        ? evidenceOf(heading, top, weaker, pieces)
        : [`no pattern holds on ${100 * WEAK} % of ${top.length} top examples`]),
      ...(scale.n_windows > 0
        ? [
            `all that is named on ${held(all)} of ${all.length} tokens where it fires, and in ${Math.round(100 * scale.chance(claim))} % of other windows`,
          ]
        : []),
      ...raises(record, pieces),
    ].join('; '),
    confidence: heading ? held([...top, ...weaker]) / (top.length + weaker.length) : 0,
    claim,
  }
}

/** What most of the top examples share. */
type Heading = {
  readonly main: Proposal
  /** Share of the top examples. */
  readonly share: number
  readonly narrowing: Proposal | undefined
  readonly claim: LexicalClaim
}

const holds = (claim: LexicalClaim, o: Observation, pieces: readonly string[]): boolean =>
  claim.some((clause) => clauseHolds(clause, o, pieces))

const shareIn = (of: readonly Observation[], clause: Clause, pieces: readonly string[]): number =>
  of.filter((o) => clauseHolds(clause, o, pieces)).length / Math.max(1, of.length)

/** The proposal that holds on most, weighed by how much it says and less what it holds on by chance. */
function headingOf(
  top: readonly Observation[],
  proposals: readonly Proposal[],
  scale: Scale,
  pieces: readonly string[],
): Heading | undefined {
  let best: { main: Proposal; share: number; worth: number } | undefined
  for (const main of proposals) {
    const share = shareIn(top, main, pieces)
    if (share < WEAK) continue
    const worth = share * main.worth - scale.chance([main])
    if (worth > (best?.worth ?? 0)) best = { main, share, worth }
  }
  if (!best) return undefined
  const { main, share } = best
  const narrowing = narrow(main, proposals, { top, scale, pieces })
  const clause = narrowing ? { any: main.any, where: narrowing.any } : { any: main.any }
  return { main, share, narrowing, claim: [clause] }
}

/**
 * The claim about the surroundings that holds most often where `main` does, if more is won by what it shuts out than lost; few
 * examples prove nothing.
 */
function narrow(
  main: Proposal,
  proposals: readonly Proposal[],
  { top, scale, pieces }: { top: readonly Observation[]; scale: Scale; pieces: readonly string[] },
): Proposal | undefined {
  const those = top.filter((o) => clauseHolds(main, o, pieces))
  if (main.about !== 'peak' || those.length < 4) return undefined
  const score = (clause: Clause) => scale.covered([clause]) - scale.chance([clause])
  const [best] = proposals
    .filter(({ about, qualifier }) => about !== 'peak' && qualifier !== undefined)
    .map((proposal) => ({ proposal, share: shareIn(those, proposal, pieces) }))
    .filter(({ share }) => share >= NARROW)
    .sort((a, b) => b.share * b.proposal.worth - a.share * a.proposal.worth)
  if (!best) return undefined
  const isBetter =
    scale.n_windows === 0 ||
    score({ any: main.any, where: best.proposal.any }) > score({ any: main.any })
  return isBetter ? best.proposal : undefined
}

function labelText(heading: Heading | undefined, more: readonly string[]): string {
  if (!heading) return `mixed: ${more.join(', ')}`
  const { main, share, narrowing } = heading
  const text = narrowing?.qualifier ? `${main.text} ${narrowing.qualifier}` : main.text
  const also = more.length > 0 ? `; also ${more.join(', ')}` : ''
  return `${share < STRONG ? 'perhaps ' : ''}${text}${also}`
}

function evidenceOf(
  { main, narrowing }: Heading,
  top: readonly Observation[],
  weaker: readonly Observation[],
  pieces: readonly string[],
): string[] {
  const those = (of: readonly Observation[]) => of.filter((o) => clauseHolds(main, o, pieces))
  const count = (of: readonly Observation[]) => `${those(of).length} of ${of.length}`
  const narrowed = narrowing && those(top).filter((o) => clauseHolds(narrowing, o, pieces))
  return [
    `${main.evidence} in ${count(top)} top examples${weaker.length > 0 ? `, ${count(weaker)} weaker ones` : ''}`,
    ...(narrowed ? [`${narrowing.evidence} in ${narrowed.length} of them`] : []),
  ]
}

/** For a latent of which nothing else can be said. */
const commonWords = (top: readonly Observation[]): Atom[] =>
  [...new Set(top.map(({ lower }) => lower))].slice(0, 4).map((value) => ({ kind: 'word', value }))

function deadLabel(n_tokens: number | undefined): LexicalLabel {
  const on = n_tokens === undefined ? 'any token' : `any of ${n_tokens.toLocaleString('en')} tokens`
  return {
    text: `dead: does not fire on ${on}`,
    evidence: `no activation on ${on} of the corpus`,
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
