/** What every explainer asks for, and how its answer is read. */
import { z } from 'zod'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import type { Prompt } from '../ask/question.ts'
import { isFiring, markedText, numbered, type PieceOf, pieceOf } from '../examples/text.ts'

const LONGEST_LABEL = 100
const N_LOGITS = 8

/** A text that looks like those on which a latent fires, while the latent is silent in all of it. */
export type NearMiss = {
  /** `peak` is the token that makes it look so; all values are 0. */
  readonly example: LatentExample
  readonly why: 'same token' | 'neighbour'
}

/** What an explainer may see of a latent. */
export type Shown = {
  readonly record: LatentRecord
  /** Those of its examples that may be seen. */
  readonly examples: readonly LatentExample[]
  readonly near_misses: readonly NearMiss[]
  /** [d_vocab] each token's text with its leading space. */
  readonly pieces: readonly string[]
}

/** Makes the two messages for one latent; undefined where it has nothing to show. */
export type Explainer = (shown: Shown) => Prompt | undefined

/** How an explainer is told to answer. */
export const ANSWER = `Answer with one JSON object and nothing else: {"label": "..."}. The label has at most ten words, in plain English, without "the detector" or "tokens that"; for a detector of something that follows, begin with "before". If the texts have nothing in common, answer {"label": null}.`

/** The texts where a latent fires, marked, strongest first; then one of each lower strength. */
export function markedSections({ record, examples, pieces }: Shown): string[] {
  const piece = pieceOf(pieces)
  const top = examples.filter((e) => e.interval === 0)
  const weaker = examples.filter((e) => e.interval > 0)
  const lines = (of: readonly LatentExample[], max: (e: LatentExample) => number) =>
    numbered(of.map((e) => markedText(e, isFiring(e, max(e)), piece)))
  return [
    `Texts where it fires most:\n${lines(top, () => record.max_act)}`,
    ...(weaker.length === 0
      ? []
      : [`Texts where it fires more weakly:\n${lines(weaker, (e) => e.values[e.peak]!)}`]),
  ]
}

/** The tokens after the peaks, and those that the latent raises, as sections of a prompt. */
export function tokenSections({ record, examples, pieces }: Shown): string[] {
  const piece: PieceOf = pieceOf(pieces)
  const top = examples.filter((e) => e.interval === 0)
  const followers = new Set(top.map((e) => piece(e.ids[e.peak + 1])).filter((text) => text !== ''))
  const raised = record.top_logits.slice(0, N_LOGITS).map(({ id }) => piece(id))
  return [
    ...(followers.size === 0
      ? []
      : [`Tokens right after the strongest: ${JSON.stringify([...followers])}`]),
    ...(raised.length === 0 ? [] : [`Raised tokens: ${JSON.stringify(raised)}`]),
  ]
}

const Answer = z.object({ label: z.string().trim().min(1).max(LONGEST_LABEL).nullable() })

/**
 * The label in an answer; null where the model says that there is no pattern.
 * @throws Error when the answer is anything but the object asked for (alone or in a code fence), or its label is no label.
 */
export function parseLabel(answer: string): string | null {
  const parsed = Answer.safeParse(parseObject(answer))
  if (!parsed.success)
    throw new Error(`answer ${excerpt(answer)} has no label of 1 to ${LONGEST_LABEL} characters`, {
      cause: parsed.error,
    })
  const label = parsed.data.label
  if (label === null || /^(unclear|unknown|none|n\/a|null)\.?$/i.test(label)) return null
  return label.replaceAll(/\s+/g, ' ').replace(/\.$/, '')
}

/** The JSON that an answer is, alone or in a code fence. @throws Error for anything else. */
export function parseObject(answer: string): unknown {
  const body = answer.trim().replace(/^```(?:json)?[ \t]*\n([\s\S]*)\n```$/, '$1')
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new Error(`answer ${excerpt(answer)} is not the JSON object asked for`, { cause })
  }
}

/** The beginning of an answer, quoted, for messages. */
export const excerpt = (answer: string): string =>
  JSON.stringify(answer.length > 80 ? `${answer.slice(0, 80)}…` : answer)
