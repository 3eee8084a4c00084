/** One quantity over the steps of training, a line per site, shallow sites faint and deep ones full. */
import { useId } from 'react'
import type { RunPoint } from '../../../src/server/api.ts'
import { saeName, siteName } from '../format/names.ts'
import { count, short } from '../format/numbers.ts'
import { Term, type TermName } from './Term.tsx'

const width = 640
const height = 220
const left = 44
const right = 34
const top = 8
const bottom = 22
const nameHeight = 11
/** With more lines than this only the shallowest, the deepest and the lit one are named. */
const mostNames = 8

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

/** The plot. `lit` is the SAE whose line stands out. */
export function Curves(props: {
  points: readonly RunPoint[]
  of: 'fvu' | 'l0'
  term: TermName
  name: string
  log?: boolean
  lit?: string | undefined
}) {
  const { points, of, log } = props
  const titleId = useId()
  const lines = [...Map.groupBy(points, (p) => p.sae)]
  const values = points.map((p) => p[of]).filter((v) => Number.isFinite(v) && (!log || v > 0))
  const maxStep = Math.max(1, ...points.map((p) => p.n_steps))
  const max = Math.max(...values)
  const min = log ? Math.min(...values) : 0
  const scaled = (v: number) => (log ? Math.log(v) : v)
  const span = scaled(max) - scaled(min) || 1
  const x = (step: number) => left + ((width - left - right) * step) / maxStep
  const y = (v: number) =>
    top + (height - top - bottom) * (1 - (scaled(Math.max(v, log ? min : v)) - scaled(min)) / span)
  const named = (sae: string, i: number) =>
    together
      ? sae === props.lit
      : lines.length <= mostNames || i === 0 || i === lines.length - 1 || sae === props.lit
  const depth = (i: number) => (lines.length < 2 ? 1 : 0.3 + (0.7 * i) / (lines.length - 1))
  const last = lines.map(([, list]) => y(list.at(-1)?.[of] ?? 0))
  // Lines that end as one are named as one.
  const together = lines.length > 1 && Math.max(...last) - Math.min(...last) < nameHeight
  const ends = spread(last, nameHeight, height - bottom)
  return (
    <figure className="curves">
      <figcaption>
        <Term of={props.term}>{props.name}</Term>
        <span className="quiet">
          by step{log && ', logarithmic'}
          {together ? '; the lines of all layers end as one' : '; a line a layer, by its number'}
        </span>
      </figcaption>
      {values.length === 0 ? (
        <p className="quiet curves-empty">The first measurement is on its way.</p>
      ) : (
        <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={titleId}>
          <title id={titleId}>
            {lines
              .map(([sae, list]) => `${siteName(saeName(sae).hook)} ${short(list.at(-1)?.[of])}`)
              .join(', ')}
          </title>
          {(log ? logTicks(min, max) : ticks(0, max, 5)).map((tick) => (
            <g key={tick} className="tick">
              <line x1={left} x2={width - right} y1={y(tick)} y2={y(tick)} />
              <text x={left - 6} y={y(tick)} dy="0.32em" textAnchor="end">
                {Number(tick.toPrecision(3))}
              </text>
            </g>
          ))}
          {[0, maxStep].map((step) => (
            <text
              key={step}
              className="axis"
              x={x(step)}
              y={height - 6}
              textAnchor={step === 0 ? 'start' : 'end'}
            >
              {step === 0 ? '0' : `${count(step)} steps`}
            </text>
          ))}
          {lines.map(([sae, list], i) => (
            <g
              key={sae}
              className={sae === props.lit ? 'line lit' : 'line'}
              style={{ '--depth': depth(i) }}
            >
              <polyline
                points={list
                  .filter((p) => Number.isFinite(p[of]) && (!log || p[of] > 0))
                  .map((p) => `${x(p.step).toFixed(1)},${y(p[of]).toFixed(1)}`)
                  .join(' ')}
              />
              {named(sae, i) && (
                <text
                  className={i === 0 || i === lines.length - 1 ? undefined : 'between'}
                  x={x(list.at(-1)?.step ?? 0) + 5}
                  y={together ? last[i] : ends[i]}
                  dy="0.32em"
                >
                  {siteName(saeName(sae).hook).replace('layer ', '')}
                </text>
              )}
            </g>
          ))}
        </svg>
      )}
    </figure>
  )
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
