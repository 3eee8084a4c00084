/** What the language model is shown of a latent, and how its answer is read. */
import { z } from 'zod'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { pieceText } from '../lexical/words.ts'

/** Tokens above this share of the latent's maximum are marked. */
const MARKED = 0.3
const N_EXAMPLES = 12
const N_WEAKER = 4
const N_LOGITS = 8
const LONGEST_LABEL = 100

export type PromptOptions = {
  /** [d_vocab] each token's text with its leading space. */
  readonly pieces: readonly string[]
}

/** The two messages of a call. */
export type Prompt = { readonly system: string; readonly user: string }

const SYSTEM = `You name detectors found inside a small language model. A detector fires on some tokens of a text and stays silent on all others. You are shown texts in which it fires, with the tokens it fires on between << and >>. Find what those tokens, or the places where they stand, have in common, and name it so that a reader could tell where the detector will fire in a new text.

Consider in turn: the marked tokens themselves (a word, part of a word, a kind of word or sign); what stands right before them; what comes right after them, which the detector may be predicting; the subject of the texts. Raised tokens are output tokens that the detector makes more likely: trust them only if they agree with the texts. Prefer the most specific name that fits nearly all texts.

Answer with one JSON object and nothing else: {"label": "..."}. The label has at most ten words, in plain English, without "the detector" or "tokens that"; for a detector of something that follows, begin with "before". If the texts have nothing in common, answer {"label": null}.`

/** The two messages for one latent; undefined for a latent without examples. */
export function explainPrompt(record: LatentRecord, { pieces }: PromptOptions): Prompt | undefined {
  const top = record.examples.filter((e) => e.interval === 0).slice(0, N_EXAMPLES)
  if (top.length === 0) return undefined
  // One each from the lower intervals keeps the label from fitting only the extremes.
  const weaker = [
    ...new Map(record.examples.filter((e) => e.interval > 0).map((e) => [e.interval, e])).values(),
  ].slice(0, N_WEAKER)
  const piece = (id: number | undefined) => (id === undefined ? '' : pieceText(pieces[id] ?? ''))
  const followers = [...new Set(top.map((e) => piece(e.ids[e.peak + 1])))].filter(
    (text) => text !== '',
  )
  const sections = [
    `Texts where it fires most:\n${numbered(top.map((e) => marked(e, record.max_act, piece)))}`,
    ...(weaker.length === 0
      ? []
      : [
          `Texts where it fires more weakly:\n${numbered(weaker.map((e) => marked(e, e.values[e.peak] ?? record.max_act, piece)))}`,
        ]),
    ...(followers.length === 0
      ? []
      : [`Tokens right after the strongest: ${JSON.stringify(followers)}`]),
    ...(record.top_logits.length === 0
      ? []
      : [
          `Raised tokens: ${JSON.stringify(record.top_logits.slice(0, N_LOGITS).map(({ id }) => piece(id)))}`,
        ]),
  ]
  return { system: SYSTEM, user: sections.join('\n\n') }
}

const numbered = (lines: string[]) => lines.map((line, i) => `${i + 1}. ${line}`).join('\n')

/** The window as one line, neighbouring marked tokens in one pair of marks, the space before a mark outside it. */
function marked(example: LatentExample, max: number, piece: (id: number) => string): string {
  let text = ''
  let open = false
  for (const [at, id] of example.ids.entries()) {
    const body = piece(id).replaceAll('\n', '↵')
    const isMarked = at === example.peak || example.values[at]! > MARKED * max
    if (open && !isMarked) text += '>>'
    text += isMarked && !open ? body.replace(/^ ?/, '$&<<') : body
    open = isMarked
  }
  return (open ? `${text}>>` : text).trim()
}

const Answer = z.object({ label: z.string().trim().min(1).max(LONGEST_LABEL).nullable() })

/**
 * The label in an answer; null where the model says that there is no pattern.
 * @throws Error when the answer is anything but the object asked for (alone or in a code fence), or its label is no label.
 */
export function parseAnswer(answer: string): string | null {
  const body = answer.trim().replace(/^```(?:json)?\s*\n([\s\S]*)\n```$/, '$1')
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    throw new Error(`answer ${shown(answer)} is not the JSON object asked for`, { cause })
  }
  const parsed = Answer.safeParse(value)
  if (!parsed.success)
    throw new Error(`answer ${shown(answer)} has no label of 1 to ${LONGEST_LABEL} characters`, {
      cause: parsed.error,
    })
  const label = parsed.data.label
  if (label === null || /^(unclear|unknown|none|n\/a|null)\.?$/i.test(label)) return null
  return label.replaceAll(/\s+/g, ' ').replace(/\.$/, '')
}

const shown = (answer: string) =>
  JSON.stringify(answer.length > 80 ? `${answer.slice(0, 80)}…` : answer)
