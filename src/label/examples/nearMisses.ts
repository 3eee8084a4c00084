/** Texts that look like those on which a latent fires, and on which it is silent: found in the half that explainers may see. */
import { hash32 } from '../../activations/index.ts'
import type { LatentRecord } from '../../latents/index.ts'
import type { NearMiss } from '../explain/prompt.ts'
import { type Activity, isSilent, windowAround } from './activity.ts'
import { splitExamples } from './shown.ts'

const N_SAME_TOKEN = 6
const N_NEIGHBOUR = 4
/** Neighbours less like it than this share too little to be missed for it. */
const LEAST_COSINE = 0.2

/**
 * Occurrences of the tokens that it fires on most, and places where its nearest decoder neighbours of the same site fire most, each
 * in a window of +-context tokens on which this latent is silent throughout.
 */
export function nearMisses(
  record: LatentRecord,
  activity: Activity,
  { hook, context }: { hook: string; context: number },
): NearMiss[] {
  const firing = activity.of(record.index)
  const taken: NearMiss[] = []
  const take = (at: number, why: NearMiss['why']): boolean => {
    const example = windowAround(activity, firing, at, { context, interval: 0 })
    const is_new = !taken.some(({ example: { doc } }) => doc === example.doc)
    if (!is_new || !isSilent(example)) return false
    taken.push({ example, why })
    return true
  }

  const peaks = new Set(
    splitExamples(record)
      .shown.filter((e) => e.interval === 0)
      .map((e) => e.ids[e.peak]!),
  )
  const { ids } = activity.corpus
  const places: number[] = []
  for (let at = 0; at < ids.length; at++) if (peaks.has(ids[at]!)) places.push(at)
  places.sort((a, b) => hash32(a ^ record.index) - hash32(b ^ record.index))
  let left = N_SAME_TOKEN
  for (const at of places) if (left > 0 && take(at, 'same token')) left--

  left = N_NEIGHBOUR
  for (const neighbour of record.neighbours) {
    if (neighbour.hook !== hook || neighbour.cosine < LEAST_COSINE) continue
    const { token, value } = activity.of(neighbour.index)
    const strongest = Array.from(token.keys()).sort((a, b) => value[b]! - value[a]!)
    // One each of several neighbours says more than all of the first.
    const found = strongest.slice(0, 200).find((e) => left > 0 && take(token[e]!, 'neighbour'))
    if (found !== undefined) left--
  }
  return taken
}
