/** How tools write: short lines, data in quotes, so that nothing in a label or a token reads as the tool's own word. */
import type { LatentChip } from '../api/index.ts'

/** The longest piece of data a line quotes, in characters. */
const LONGEST = 300

/** Characters that a terminal or a reader may obey instead of show: controls, and marks that turn the direction of writing. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** Data as a JSON string on one line: quotes, controls and direction marks escaped, cut where it is very long. */
export function quoted(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return JSON.stringify(cut).replaceAll(UNSEEN, escaped)
}

const escaped = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/** A number to three places, or as many as it needs. */
export const fixed = (x: number | undefined): string =>
  x === undefined ? 'not known' : String(Number(x.toPrecision(3)))

/** A share as a percentage. */
export const percent = (share: number): string => `${fixed(100 * share)} %`

/** `<sae>/<index> "label" (manual), density 0.3 %, max 12`. */
export function latentLine({
  sae,
  index,
  label,
  label_method,
  density,
  max_act,
}: LatentChip): string {
  const parts = [
    label === undefined ? 'no label' : `${quoted(label)} (${label_method})`,
    ...(density === undefined ? [] : [`density ${percent(density)}`]),
    ...(max_act === undefined ? [] : [`max ${fixed(max_act)}`]),
  ]
  return `${sae}/${index} ${parts.join(', ')}`
}

/** A window of text with its peak in «», quoted. */
export function withPeak(pieces: readonly string[], peak: number, around = 12): string {
  const from = Math.max(0, peak - around)
  return quoted(
    pieces
      .slice(from, peak + around + 1)
      .map((piece, i) => (from + i === peak ? `«${piece}»` : piece))
      .join(''),
  )
}
