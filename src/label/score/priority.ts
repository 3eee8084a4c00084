/** Which latents come first where there are more than can be paid for. */
import { wordOverlap } from '../agreement.ts'

/**
 * `log10(1 + n_active) (1 + disagreement)`: a latent that fires often is met often, and labels that say different things are in need
 * of a judge; the logarithm lets full disagreement weigh as much as firing on the square of the tokens.
 * @param labels texts in force on the latent, one an author.
 */
export const priorityOf = (n_active: number, labels: readonly string[]): number =>
  Math.log10(1 + n_active) * (1 + disagreement(labels))

/** 1 minus the mean `wordOverlap` of all pairs of labels; 0 for fewer than two. */
function disagreement(labels: readonly string[]): number {
  const overlaps = labels.flatMap((a, i) => labels.slice(i + 1).map((b) => wordOverlap(a, b) ?? 0))
  if (overlaps.length === 0) return 0
  return 1 - overlaps.reduce((sum, overlap) => sum + overlap, 0) / overlaps.length
}
