/** Search by contrast: latents whose mean activation differs between texts A and texts B, in both directions. */
import type { Model } from '../model/index.ts'
import {
  type ActScale,
  counted,
  denseWords,
  densityFilter,
  type Found,
  openSite,
  type ReadText,
  readText,
  type SearchSite,
  unitsOf,
} from './sites.ts'

export type ContrastHit = Found & {
  /** Mean over the tokens of each side, off counted as 0: in the SAE's own units, or as a share of the latent's maximum. */
  readonly mean_a: number
  readonly mean_b: number
  /** mean_a - mean_b */
  readonly difference: number
  /** Of the difference, with the text as the unit that varies; absent where a side has one text. */
  readonly standard_error?: number
  /** The difference in pooled standard deviations over tokens; absent where no token varies. */
  readonly effect_size?: number
}

export type Contrast = {
  readonly n_texts: { readonly a: number; readonly b: number }
  /** Tokens that were read: special ones (BOS) are not. */
  readonly n_tokens: { readonly a: number; readonly b: number }
  /** Largest difference first. */
  readonly more_in_a: ContrastHit[]
  readonly more_in_b: ContrastHit[]
  readonly left_out: string[]
}

/** Sums of one side, per latent [d_sae], from which all else is computed. */
type Side = {
  readonly sum: Float64Array
  readonly sum_of_squares: Float64Array
  /** Over texts t with sum S_t and n_t tokens: of S_t^2, and of S_t n_t. */
  readonly text_squares: Float64Array
  readonly text_products: Float64Array
}

/**
 * 1. every text in a pass of its own
 * 2. per site: sums and squares of each latent over tokens, and over texts
 * 3. means, their difference, its standard error by texts (a ratio estimator: texts differ in length), effect size by tokens
 *
 * @param options.most hits returned in each direction.
 * @throws RangeError if a side has no token to read.
 */
export async function contrastTexts(
  model: Model,
  sites: readonly SearchSite[],
  options: {
    a: readonly string[]
    b: readonly string[]
    scale: ActScale
    max_density: number
    most: number
    signal?: AbortSignal
  },
): Promise<Contrast> {
  const { scale, max_density, most, signal } = options
  const texts = { a: await readAll('a'), b: await readAll('b') }
  async function readAll(side: 'a' | 'b'): Promise<ReadText[]> {
    const read: ReadText[] = []
    for (const text of options[side]) read.push(await readText(model, sites, text, signal))
    return read
  }
  const lengths = { a: texts.a.map(lengthOf), b: texts.b.map(lengthOf) }
  const n_tokens = { a: total(lengths.a), b: total(lengths.b) }
  for (const side of ['a', 'b'] as const)
    if (n_tokens[side] === 0)
      throw new RangeError(`texts ${side.toUpperCase()} have no token to read; write at least one`)

  const left_out = [...new Set([...texts.a, ...texts.b].flatMap((text) => text.left_out))]
  const n_special = total([...texts.a, ...texts.b].map((text) => text.ids.length - lengthOf(text)))
  if (n_special > 0) left_out.push(`${counted(n_special, 'special token')}: not read`)
  const hits: ContrastHit[] = []
  const dense = { n: 0 }
  for (const site of sites) {
    signal?.throwIfAborted()
    const open = await openSite(site, left_out)
    const unit = open && unitsOf(site, open, scale, left_out)
    if (!open || !unit) continue
    const sides = { a: emptySide(open.runner.sae.d_sae), b: emptySide(open.runner.sae.d_sae) }
    for (const side of ['a', 'b'] as const)
      for (const text of texts[side])
        addText(sides[side], text, await text.encode(site, open), unit)
    const isKept = densityFilter(open, max_density, dense)
    for (let index = 0; index < open.runner.sae.d_sae; index++) {
      if (sides.a.sum[index] === 0 && sides.b.sum[index] === 0) continue
      if (!isKept(index)) continue
      const a = statistics(sides.a, index, lengths.a, n_tokens.a)
      const b = statistics(sides.b, index, lengths.b, n_tokens.b)
      const spread = Math.sqrt((a.variance + b.variance) / 2)
      const difference = a.mean - b.mean
      hits.push({
        sae: site.id,
        hook: site.hook,
        index,
        mean_a: a.mean,
        mean_b: b.mean,
        difference,
        ...(a.error === undefined || b.error === undefined
          ? {}
          : { standard_error: Math.hypot(a.error, b.error) }),
        ...(spread > 0 ? { effect_size: difference / spread } : {}),
      })
    }
  }
  hits.sort((x, y) => y.difference - x.difference || x.index - y.index)
  left_out.push(...denseWords(dense.n, max_density))
  return {
    n_texts: { a: texts.a.length, b: texts.b.length },
    n_tokens,
    more_in_a: hits.filter(({ difference }) => difference > 0).slice(0, most),
    more_in_b: hits
      .filter(({ difference }) => difference < 0)
      .reverse()
      .slice(0, most),
    left_out,
  }
}

const total = (values: readonly number[]): number => values.reduce((sum, n) => sum + n, 0)
const lengthOf = ({ special }: ReadText): number => special.filter((is) => !is).length

const emptySide = (d_sae: number): Side => ({
  sum: new Float64Array(d_sae),
  sum_of_squares: new Float64Array(d_sae),
  text_squares: new Float64Array(d_sae),
  text_products: new Float64Array(d_sae),
})

function addText(
  side: Side,
  text: ReadText,
  acts: Awaited<ReturnType<ReadText['encode']>>,
  unit: (latent: number) => number,
): void {
  const sums = new Map<number, number>()
  for (let token = 0; token < acts.n; token++) {
    if (text.special[token]) continue
    for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++) {
      const index = acts.index[entry]!
      const act = acts.value[entry]! / unit(index)
      side.sum_of_squares[index]! += act ** 2
      sums.set(index, (sums.get(index) ?? 0) + act)
    }
  }
  for (const [index, sum] of sums) {
    side.sum[index]! += sum
    side.text_squares[index]! += sum ** 2
    side.text_products[index]! += sum * lengthOf(text)
  }
}

/** Mean and variance over tokens, and the standard error of the mean with texts as the units. */
function statistics(
  side: Side,
  index: number,
  lengths: readonly number[],
  n_tokens: number,
): { mean: number; variance: number; error: number | undefined } {
  const mean = side.sum[index]! / n_tokens
  const variance = Math.max(0, side.sum_of_squares[index]! / n_tokens - mean ** 2)
  const n = lengths.length
  if (n < 2) return { mean, variance, error: undefined }
  const squares = total(lengths.map((length) => length ** 2))
  // Sum over texts of (S_t - mean n_t)^2; a text in which the latent is off adds (mean n_t)^2.
  const scatter =
    side.text_squares[index]! - 2 * mean * side.text_products[index]! + mean ** 2 * squares
  return { mean, variance, error: Math.sqrt((Math.max(0, scatter) * n) / (n - 1)) / n_tokens }
}
