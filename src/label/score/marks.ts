/** Marks on texts: where a latent fires, and where it might be thought to. */
import { hash32 } from '../../activations/index.ts'
import type { LatentExample } from '../../latents/index.ts'
import { isFiring, markedText, type PieceOf } from '../examples/text.ts'

/** Tokens on which a latent fires, above a share of the text's own maximum. */
function firingAt(example: LatentExample): number[] {
  const fires = isFiring(example, example.values[example.peak]!)
  return Array.from(example.ids.keys()).filter(fires)
}

/** The text with its firing tokens marked. */
export const rightlyMarked = (example: LatentExample, piece: PieceOf): string =>
  markedAt(example, firingAt(example), piece)

/** Whether a text holds a token to be marked wrongly: one with text, on which the latent is silent. */
export const canMislead = (example: LatentExample, piece: PieceOf): boolean =>
  silentAt(example, piece).length > 0

const silentAt = ({ ids, values }: LatentExample, piece: PieceOf): number[] =>
  Array.from(ids.keys()).filter((at) => values[at] === 0 && piece(ids[at]).trim() !== '')

/** The text with `n` tokens marked on which the latent is silent, chosen by a hash. */
export function wronglyMarked(example: LatentExample, n: number, piece: PieceOf): string {
  const silent = silentAt(example, piece)
  const seed = hash32(example.doc ^ hash32(example.start))
  const order = silent.sort((a, b) => hash32(a ^ seed) - hash32(b ^ seed))
  return markedAt(example, order.slice(0, n), piece)
}

/** How many tokens a firing text has marked, on average and rounded up. */
export const usualMarks = (examples: readonly LatentExample[]): number =>
  Math.ceil(examples.reduce((sum, e) => sum + firingAt(e).length, 0) / examples.length)

const markedAt = (example: LatentExample, marked: readonly number[], piece: PieceOf): string =>
  markedText(example, (at) => marked.includes(at), piece)
