/** Which latents to learn on: ones that one can name, neither rare nor dense, of the middle of the model. */
import type { LatentView, SaeSummary } from '../../../src/api/index.ts'
import { type ListedLatent, wordLatents, wordsOf } from './wordLatents.ts'

/** About one token in three hundred: often enough for varied examples, rare enough to mean something. */
const idealDensity = 3e-3
const leastExamples = 5

/** The middle third of a suite's indexed dictionaries, at least one: the first layers spell, the last ones predict. */
export function middleSaes<S extends Pick<SaeSummary, 'state'>>(saes: readonly S[]): S[] {
  const indexed = saes.filter(({ state }) => state === 'indexed' || state === 'labelled')
  return indexed.slice(Math.floor(indexed.length / 3), Math.ceil((2 * indexed.length) / 3))
}

/** Candidates among listed latents: those of a class of words first, then by how near their density is to a middling one. */
export function lessonCandidates(latents: readonly ListedLatent[], most: number): ListedLatent[] {
  const clear = wordLatents(latents, most)
  const far = ({ density = 0 }: ListedLatent) => Math.abs(Math.log(density / idealDensity))
  const others = latents
    .filter((latent) => (latent.density ?? 0) > 0 && !clear.includes(latent))
    .toSorted((a, b) => far(a) - far(b))
  return [...clear, ...others].slice(0, most)
}

/**
 * The order to learn in: labels that scored well, then those without a score, then the others; among equals those that
 * raise more of the words they fire on, for there steering shows. Latents with few examples are left out.
 */
export function inLessonOrder(views: readonly LatentView[]): LatentView[] {
  const rank = (view: LatentView) => ({ trust: trustOf(view), raised: raisedOf(view) })
  return views
    .filter(({ examples }) => examples.filter((e) => e.interval === 0).length >= leastExamples)
    .map((view) => ({ view, ...rank(view) }))
    .toSorted((a, b) => b.trust - a.trust || b.raised - a.raised)
    .map(({ view }) => view)
}

function trustOf({ labels }: LatentView): number {
  const scores = labels.flatMap(({ retired_at, score }) =>
    retired_at === undefined && score !== undefined ? [score] : [],
  )
  if (scores.length === 0) return 0
  return Math.max(...scores) >= 0.8 ? 1 : -1
}

function raisedOf(view: LatentView): number {
  const tops = view.examples.filter(({ interval }) => interval === 0)
  const top_tokens = tops.map(({ pieces, peak }) => pieces[peak] ?? '')
  const words = new Set(wordsOf({ top_tokens }).map((word) => word.toLowerCase()))
  return view.top_logits.filter(({ piece }) => words.has(piece.trim().toLowerCase())).length
}
