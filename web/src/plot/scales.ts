/** From numbers to places: ticks, scales, and names that do not overlap. */

/** Ticks at 1, 2 or 5 times a power of ten, about `n` of them from `min` to `max`. */
export function ticks(min: number, max: number, n: number): number[] {
  if (!(max > min)) return [min]
  const raw = (max - min) / n
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? power * 10
  const list: number[] = []
  for (let i = Math.ceil(min / step); i * step <= max + step * 1e-9; i++) list.push(i * step)
  return list
}

/** Powers of ten between `min` and `max`, with 2 and 5 times them where those are few, and more where they still are. */
export function logTicks(min: number, max: number): number[] {
  const inside = (multiples: readonly number[]) => {
    const list: number[] = []
    for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e++)
      for (const m of multiples) list.push(m * 10 ** e)
    return list.filter((x) => x >= min && x <= max)
  }
  const candidates = [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]].map(inside)
  return candidates.find((list) => list.length >= 3) ?? candidates.at(-1) ?? []
}

/** A logarithmic axis reaches down to this share of the largest value: what is below lies on its floor. */
const FLOOR = 1e-4

/** An axis: from values to shares of its length, 0 to 1, and its ticks. */
export type Scale = { readonly at: (value: number) => number; readonly ticks: readonly number[] }

/**
 * The axis that holds all values: from 0 where it is linear, from the least positive value where it is logarithmic.
 * Values that are not numbers do not count.
 */
export function scaleOf(values: Iterable<number>, kind: 'linear' | 'log', n_ticks = 4): Scale {
  const numbers = [...values].filter((v) => Number.isFinite(v) && (kind === 'linear' || v > 0))
  const max = numbers.reduce((a, b) => Math.max(a, b), kind === 'log' ? Number.MIN_VALUE : 0)
  if (kind === 'linear') {
    const top = max > 0 ? max : 1
    return { at: (v) => Math.max(0, v) / top, ticks: ticks(0, top, n_ticks) }
  }
  const least = numbers.reduce((a, b) => Math.min(a, b), max)
  if (!(max > least)) return { at: () => 0.5, ticks: numbers.length > 0 ? [max] : [] }
  const [min, top] = widened(Math.max(least, max * FLOOR), max)
  const span = Math.log(top / min)
  return { at: (v) => Math.log(Math.max(v, min) / min) / span, ticks: thin(logTicks(min, top)) }
}

/** A range about the same middle that reaches at least from 1 to 1.5: what hardly moves must not look as if it did. */
function widened(min: number, max: number): [number, number] {
  const room = Math.sqrt(Math.max(1, 1.5 / (max / min)))
  return [min / room, max * room]
}

/** No more than seven ticks: every second, third … one of many decades. */
function thin(list: readonly number[]): number[] {
  const every = Math.ceil(list.length / 7)
  return list.filter((_, i) => i % every === 0)
}

/**
 * Moves positions apart as little as possible (in least squares) so that none is nearer than `gap` to the next, none
 * below `end`; order is kept. With `k * gap` taken off the k-th, what must not happen is a descent: runs that
 * descend are pooled at their mean.
 */
export function spread(positions: readonly number[], gap: number, end: number): number[] {
  const order = positions.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p)
  const pools: { sum: number; n: number }[] = []
  for (const [k, { p }] of order.entries()) {
    let pool = { sum: p - k * gap, n: 1 }
    for (
      let last = pools.at(-1);
      last && last.sum / last.n > pool.sum / pool.n;
      last = pools.at(-1)
    ) {
      pool = { sum: last.sum + pool.sum, n: last.n + pool.n }
      pools.pop()
    }
    pools.push(pool)
  }
  const lowest = end - (order.length - 1) * gap
  const means = pools.flatMap(({ sum, n }) => new Array<number>(n).fill(Math.min(lowest, sum / n)))
  const placed = new Array<number>(positions.length)
  for (const [k, { i }] of order.entries()) placed[i] = (means[k] ?? 0) + k * gap
  return placed
}
