/** One quantity of the lines of a panel over the course of training. Lines only: where the pointer is, is told to the parent. */
import { type KeyboardEvent, memo, type PointerEvent, type ReactNode, useMemo } from 'react'
import { brief, duration } from '../format/numbers.ts'
import { type Along, type Facet, nearest, placesOf } from '../plot/lines.ts'
import { quantities } from '../plot/quantities.ts'
import type { Quantity } from '../plot/quantityNames.ts'
import { type Scale, spread } from '../plot/scales.ts'

/** A place in the course of training that is read, and where on the screen. */
export type At = {
  readonly x: number
  readonly facet: string
  readonly screen: { readonly x: number; readonly y: number }
}

const nameHeight_px = 11
/** With more lines than this only the first, the last and the lit one are named. */
const mostNames = 8
/** Of the drawing's own width, which is stretched to the panel's. */
const drawn = 1000

type ChartProps = {
  readonly facet: Facet
  readonly of: Quantity
  readonly along: Along
  readonly x_max: number
  readonly y: Scale
  readonly height_px: number
  readonly caption: ReactNode
  /** Whether lines are named at their ends. */
  readonly names: 'ends' | 'none'
  /** Key of the line that stands out. */
  readonly lit?: string | undefined
  /** What all panels are read at; dots on the lines where it is read in this facet. */
  readonly at?: At | undefined
  readonly onAt: (at: At | undefined) => void
}

/** The panel: caption, lines with names at their ends, axes, and the rule at what is read. */
export function Chart(props: ChartProps) {
  const { along, of, x_max, y, height_px } = props
  const facet = useMemo(
    () => (quantities[of].ofSuite && props.names === 'ends' ? onceOf(props.facet) : props.facet),
    [props.facet, props.names, of],
  )
  const places = useMemo(
    () => facet.lines.map(({ points }) => placesOf(points, along)),
    [facet, along],
  )
  const longest = places.reduce((a, b) => (b.length > a.length ? b : a), [])
  const read = props.at === undefined ? -1 : nearest(longest, props.at.x)
  const x_read = longest[read]
  const percent = (x: number) => `${x_max > 0 ? Math.min(100, (100 * x) / x_max) : 0}%`

  const tell = (area: HTMLElement, index: number, screen_y?: number) => {
    const x = longest[Math.min(longest.length - 1, Math.max(0, index))]
    const box = area.getBoundingClientRect()
    if (x === undefined) return
    const screen_x = box.left + box.width * (x_max > 0 ? x / x_max : 0)
    const screen = { x: screen_x, y: screen_y ?? box.top + box.height / 2 }
    props.onAt({ x, facet: facet.key, screen })
  }
  const onPointer = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    const x = ((event.clientX - box.left) / box.width) * x_max
    tell(event.currentTarget, nearest(longest, x), event.clientY)
  }
  const onKey = (event: KeyboardEvent<HTMLDivElement>) => {
    const now = read < 0 ? longest.length - 1 : read
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: longest.length - 1 }[
      event.key
    ]
    if (event.key === 'Escape') props.onAt(undefined)
    else if (to !== undefined) tell(event.currentTarget, to)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  const look = quantities[of]
  const at = read < 0 ? longest.length - 1 : read
  const spoken = facet.lines.map(({ name, points }, i) => {
    const point = points[nearest(places[i] ?? [], longest[at] ?? 0)]
    return `${name} ${look.format(point?.[of])}`
  })
  return (
    <figure className="chart">
      <figcaption>{props.caption}</figcaption>
      <div className="chart-frame" style={{ '--height': `${height_px}px` }}>
        {y.ticks.map((tick) => (
          <span key={tick} className="tick" style={{ '--y': `${100 * (1 - y.at(tick))}%` }}>
            {tickName(of, tick)}
          </span>
        ))}
        <div
          className="chart-area"
          role="slider"
          tabIndex={0}
          aria-label={`${look.name}${facet.name && `, ${facet.name}`}, over ${along === 'step' ? 'steps' : along}`}
          aria-valuemin={0}
          aria-valuemax={Math.round(x_max)}
          aria-valuenow={Math.round(longest[at] ?? 0)}
          aria-valuetext={`${placeName(longest[at] ?? 0, along)}: ${spoken.join(', ')}`}
          onPointerMove={onPointer}
          onPointerDown={onPointer}
          onPointerLeave={(e) => e.pointerType === 'mouse' && props.onAt(undefined)}
          onKeyDown={onKey}
          onBlur={() => props.onAt(undefined)}
        >
          <Lines
            {...{ facet, of, places, x_max, y, height_px }}
            lit={props.lit}
            names={props.names}
          />
          {x_read !== undefined && <span className="rule" style={{ '--x': percent(x_read) }} />}
          {props.at?.facet === facet.key &&
            facet.lines.map(({ key, colour, points }, i) => {
              const n = nearest(places[i] ?? [], x_read ?? 0)
              const value = points[n]?.[of]
              if (value === undefined || !Number.isFinite(value)) return null
              const style = {
                '--x': percent(places[i]?.[n] ?? 0),
                '--y': `${100 * (1 - y.at(value))}%`,
                '--colour': colour,
              }
              return <span key={key} className="dot" style={style} />
            })}
        </div>
        <span className="axis-end first">0</span>
        <span className="axis-end last">{placeName(x_max, along)}</span>
      </div>
    </figure>
  )
}

/** A facet of what is the same for all of its SAEs: one line, in ink. */
function onceOf(facet: Facet): Facet {
  const line = facet.lines.reduce(
    (a, b) => (b.points.length > (a?.points.length ?? 0) ? b : a),
    facet.lines[0],
  )
  return { ...facet, lines: line ? [{ ...line, name: '', colour: 'var(--ink)' }] : [] }
}

/** What does not change with the pointer. */
const Lines = memo(function Lines(
  props: Pick<ChartProps, 'facet' | 'of' | 'x_max' | 'y' | 'height_px' | 'lit' | 'names'> & {
    readonly places: readonly (readonly number[])[]
  },
) {
  const { facet, of, places, x_max, y, height_px, lit } = props
  const { lines, targets } = facet
  const x = (place: number) => (x_max > 0 ? Math.min(1, place / x_max) : 0)
  const top = (value: number) => height_px * (1 - y.at(value))
  const drawnLines = lines.map(({ points }, i) =>
    points.flatMap((point, n) => {
      const value = point[of]
      if (value === undefined || !Number.isFinite(value)) return []
      return [{ x: x(places[i]?.[n] ?? 0), y: top(value) }]
    }),
  )
  const ends = drawnLines.map((list) => list.at(-1))
  // Lines that end as one have no name of their own there.
  const tops = ends.flatMap((end) => end?.y ?? [])
  const together = lines.length > 2 && Math.max(...tops) - Math.min(...tops) < nameHeight_px
  const named = lines.map(
    ({ key }, i) =>
      ends[i] !== undefined &&
      (key === lit ||
        (!together && (lines.length <= mostNames || i === 0 || i === lines.length - 1))),
  )
  const shown = lines.flatMap((_, i) => (named[i] ? [i] : []))
  const placed = spread(
    shown.map((i) => ends[i]?.y ?? 0),
    nameHeight_px,
    height_px,
  )
  return (
    <>
      <svg viewBox={`0 0 ${drawn} ${height_px}`} preserveAspectRatio="none" aria-hidden="true">
        {y.ticks.map((tick) => (
          <line key={tick} className="grid" x2={drawn} y1={top(tick)} y2={top(tick)} />
        ))}
        {of === 'l0' &&
          targets.map((target) => (
            <line key={target} className="target" x2={drawn} y1={top(target)} y2={top(target)} />
          ))}
        {lines.map(({ key, colour }, i) => (
          <polyline
            key={key}
            className={key === lit ? 'lit' : undefined}
            style={{ '--colour': colour }}
            points={drawnLines[i]
              ?.map((p) => `${(drawn * p.x).toFixed(1)},${p.y.toFixed(1)}`)
              .join(' ')}
          />
        ))}
      </svg>
      {props.names === 'ends' &&
        lines.length > 1 &&
        shown.map((i, n) => {
          const line = lines[i]
          if (!line) return null
          const style = {
            '--x': `${100 * (ends[i]?.x ?? 0)}%`,
            '--y': `${placed[n] ?? 0}px`,
            '--colour': line.colour,
          }
          return (
            <span
              key={line.key}
              className={line.key === lit ? 'end lit' : 'end'}
              style={style}
              aria-hidden="true"
            >
              {line.name}
            </span>
          )
        })}
    </>
  )
})

const tickName = (of: Quantity, tick: number): string =>
  of === 'dead'
    ? `${Number((100 * tick).toPrecision(3))} %`
    : tick >= 10_000
      ? brief(tick)
      : String(Number(tick.toPrecision(3)))

/** A place on the axis, with its unit. */
export function placeName(place: number, along: Along): string {
  if (along === 'time') return duration(place)
  const n = along === 'tokens' ? brief(place) : Math.round(place).toLocaleString('en')
  return `${n} ${along === 'step' ? 'steps' : 'tokens'}`
}
