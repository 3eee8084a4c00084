/** Bars over edges: an SVG drawn to its data, hairline axis, no library. */
import { useId } from 'react'
import { count, short } from '../format/numbers.ts'
import { tint } from '../format/tint.ts'

/**
 * counts[b] in [edges[b], edges[b + 1]); heights as the square root, so that rare large values can be seen. A bar has
 * the colour that tokens of its value have, and so the figure is their key; what lowers has that of lowering.
 */
export function Histogram(props: {
  edges: readonly number[]
  counts: readonly number[]
  /** What the picture shows, for those who cannot see it. */
  name: string
  unit?: string
}) {
  const { edges, counts } = props
  const most = Math.max(1, ...counts)
  const total = counts.reduce((sum, c) => sum + c, 0)
  const first = edges[0]
  const last = edges.at(-1)
  const full = Math.max(Math.abs(first ?? 0), Math.abs(last ?? 0))
  const titleId = useId()
  if (total === 0) return <p className="quiet">Nothing was counted.</p>
  return (
    <figure className="histogram">
      <svg
        viewBox={`0 0 ${counts.length} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-labelledby={titleId}
      >
        <title id={titleId}>
          {`${props.name}: ${count(total)} values from ${short(first)} to ${short(last)}, the fullest bar holds ${count(most)}`}
        </title>
        {counts.map((c, b) => {
          const height = 40 * Math.sqrt(c / most)
          const value = ((edges[b] ?? 0) + (edges[b + 1] ?? 0)) / 2
          return (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its position
              key={b}
              x={b + 0.08}
              y={40 - height}
              width={0.84}
              height={height}
              className={value < 0 ? 'down' : undefined}
              style={{ '--tint': `${tint(Math.abs(value), full)}%` }}
            >
              <title>{`${short(edges[b])} to ${short(edges[b + 1])}: ${count(c)}`}</title>
            </rect>
          )
        })}
      </svg>
      <figcaption>
        <span>{short(first)}</span>
        <span className="quiet">{props.unit}</span>
        <span>{short(last)}</span>
      </figcaption>
    </figure>
  )
}

/** A histogram as small as a word. */
export function Sparkline(props: { counts: readonly number[]; name: string }) {
  const most = Math.max(1, ...props.counts)
  const n = props.counts.length
  const points = props.counts.map((c, b) => `${b},${(15 - 14 * (c / most)).toFixed(2)}`)
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${Math.max(1, n - 1)} 16`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.name}
    >
      <polygon points={`0,15 ${points.join(' ')} ${n - 1},15`} />
    </svg>
  )
}
