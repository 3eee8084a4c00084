/**
 * The texts that a label is judged on, none of which its maker has seen.
 *
 * 1. Texts on which the latent fires: stored examples that share no token with what the explainer was shown, then the strongest
 *    place of each document of the scoring half of which the maker has seen no example.
 * 2. They are taken in turn from five equal stretches of strength, so that weak activations count as much as strong ones.
 * 3. Texts on which it is silent: windows around random tokens of the scoring half with no activation anywhere.
 */
import { hash32, partOf, textStart } from '../../activations/index.ts'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { type Activity, isSilent, windowAround } from './activity.ts'
import { overlap, splitExamples } from './shown.ts'

/** What the maker of a label has seen of the stored examples: a language model its share, all others all. */
export type Seen = 'share' | 'all'

export type Material = {
  /** Windows of +-context tokens with the latent's activations. */
  readonly positives: readonly LatentExample[]
  /** The same length; the latent is silent on every token. */
  readonly negatives: readonly LatentExample[]
}

export type MaterialOptions = {
  /** Of each kind, at most (20). */
  readonly n_examples: number
  /** Tokens on each side of the middle, as the index shows. */
  readonly context: number
  readonly seen: Seen
}

const N_STRENGTHS = 5

/** Chooses by hashes alone: the same texts each time. */
export function materialOf(
  record: LatentRecord,
  activity: Activity,
  options: MaterialOptions,
): Material {
  return {
    positives: positivesOf(record, activity, options),
    negatives: negativesOf(record, activity, options),
  }
}

function positivesOf(
  record: LatentRecord,
  activity: Activity,
  { n_examples, context, seen }: MaterialOptions,
): LatentExample[] {
  const { shown, held_out } = splitExamples(record)
  const by_maker = seen === 'all' ? record.examples : shown
  const seen_docs = new Set(by_maker.filter((e) => isFrom(activity, e)).map((e) => e.doc))
  const seen_texts = new Set(by_maker.map(textKey))
  const candidates = seen === 'all' ? [] : held_out.filter((e) => !seen_texts.has(textKey(e)))
  const stored = candidates.filter((e) => isFrom(activity, e))

  const { corpus, doc_of } = activity
  const firing = activity.of(record.index)
  for (let e = 0; e < firing.token.length; ) {
    const doc = partOf(corpus.doc_start, firing.token[e]!)
    let strongest = e
    for (; e < firing.token.length && firing.token[e]! < corpus.doc_start[doc + 1]!; e++)
      if (firing.value[e]! > firing.value[strongest]!) strongest = e
    if (seen_docs.has(doc_of[doc]!)) continue
    const at = firing.token[strongest]!
    const example = windowAround(activity, firing, at, { context, interval: 0 })
    const is_known = stored.some((other) => overlap(example, other))
    if (!is_known && !seen_texts.has(textKey(example))) candidates.push(example)
  }

  // Strength 0 is the strongest fifth.
  const strengths: LatentExample[][] = Array.from({ length: N_STRENGTHS }, () => [])
  for (const example of candidates) {
    const share = example.values[example.peak]! / record.max_act
    const strength = Math.floor(N_STRENGTHS * (1 - share))
    strengths[Math.min(N_STRENGTHS - 1, Math.max(0, strength))]!.push(example)
  }
  for (const group of strengths) shuffle(group, record.index)
  const chosen: LatentExample[] = []
  for (let turn = 0; strengths.some((group) => turn < group.length); turn++)
    for (const group of strengths)
      if (turn < group.length && chosen.length < n_examples) chosen.push(group[turn]!)
  return chosen
}

function negativesOf(
  record: LatentRecord,
  activity: Activity,
  { n_examples, context, seen }: MaterialOptions,
): LatentExample[] {
  const { corpus } = activity
  const n = corpus.ids.length
  const firing = activity.of(record.index)
  const by_maker = seen === 'all' ? record.examples : splitExamples(record).shown
  const known = by_maker.filter((e) => isFrom(activity, e))
  const chosen: LatentExample[] = []
  const docs = new Set<number>()
  // A latent on everywhere would be looked for in vain.
  for (let i = 0; i < 50 * n_examples && chosen.length < n_examples && n > 0; i++) {
    const at = hash32(i ^ hash32(record.index + 1)) % n
    const doc = partOf(corpus.doc_start, at)
    if (docs.has(doc) || at < textStart(corpus, doc)) continue
    const example = windowAround(activity, firing, at, { context, interval: 0 })
    if (!isSilent(example) || known.some((other) => overlap(example, other))) continue
    docs.add(doc)
    chosen.push(example)
  }
  return chosen
}

/**
 * Whether an example of the index stands at its place in the activity's text. Only then can documents and places be compared: the
 * index may have been made from other text, or from more of the same.
 */
function isFrom({ corpus, doc_of }: Activity, { doc, start, ids }: LatentExample): boolean {
  const chosen = doc_of.indexOf(doc)
  if (chosen < 0) return false
  const from = corpus.doc_start[chosen]! + start
  const is_within = from + ids.length <= corpus.doc_start[chosen + 1]!
  return is_within && ids.every((id, i) => corpus.ids[from + i] === id)
}

const textKey = ({ ids }: LatentExample): string => ids.join(' ')

/** An order of no meaning that is the same each time. */
export function shuffle<T>(items: T[], seed: number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = hash32(i ^ hash32(seed + 1)) % (i + 1)
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items
}
