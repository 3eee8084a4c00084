/** Small multiples of training: every quantity of every facet on shared axes, read at one place in all of them. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { short } from '../format/numbers.ts'
import { type Along, endOf, type Facet, nearest, placesOf } from '../plot/lines.ts'
import { quantities } from '../plot/quantities.ts'
import type { Quantity } from '../plot/quantityNames.ts'
import { scaleOf } from '../plot/scales.ts'
import { type At, Chart, placeName } from './Chart.tsx'
import { Term } from './Term.tsx'

const height_px = { small: 150, tall: 260 }

/** The panels. `of` are the quantities that are shown: one is drawn tall. */
export function Panels(props: {
  readonly facets: readonly Facet[]
  readonly of: readonly Quantity[]
  readonly along: Along
  readonly lit?: string | undefined
  /** What a line stands for: heads the first column of the readout. */
  readonly lineName: string
  /** Whether lines are named at their ends. */
  readonly names?: 'ends' | 'none'
}) {
  const { facets, of, along } = props
  const [at, setAt] = useState<At>()
  const isOne = facets.length === 1
  const axes = useMemo(() => {
    const points = facets.flatMap(({ lines }) => lines.flatMap((line) => line.points))
    const ends = facets.flatMap(({ lines }) => lines.map((line) => endOf(line.points, along)))
    const targets = facets.flatMap((facet) => facet.targets)
    return {
      x_max: ends.reduce((a, b) => Math.max(a, b), 0),
      y: new Map(
        of.map((name) => {
          const values = points.map((p) => p[name] ?? Number.NaN)
          return [name, scaleOf([...values, ...reach(name, targets)], quantities[name].scale)]
        }),
      ),
    }
  }, [facets, of, along])

  // A finger leaves no trace of where it goes: what is read stays until one touches elsewhere.
  useEffect(() => {
    if (at === undefined) return
    const close = (event: PointerEvent) => {
      if (!(event.target instanceof Element) || !event.target.closest('.chart-area'))
        setAt(undefined)
    }
    document.addEventListener('pointerdown', close)
    return () => document.removeEventListener('pointerdown', close)
  }, [at])

  const chart = (facet: Facet, name: Quantity) => {
    const y = axes.y.get(name)
    return (
      y && (
        <Chart
          key={`${facet.key} ${name}`}
          {...{ facet, along, y, at }}
          of={name}
          x_max={axes.x_max}
          height_px={of.length === 1 && facets.length <= 2 ? height_px.tall : height_px.small}
          lit={props.lit}
          names={props.names ?? 'ends'}
          onAt={setAt}
          caption={isOne ? <Caption of={name} /> : facet.name || <Caption of={name} />}
        />
      )
    )
  }
  const readFacet = facets.find(({ key }) => key === at?.facet)
  return (
    <>
      {isOne ? (
        <div className={of.length === 1 ? 'panels one' : 'panels'}>
          {facets.flatMap((facet) => of.map((name) => chart(facet, name)))}
        </div>
      ) : (
        of.map((name) => (
          <section key={name} className="panel-row" aria-label={quantities[name].name}>
            <h3>
              <Caption of={name} />
            </h3>
            <div className={facets.length > 6 ? 'panels many' : 'panels'}>
              {facets.map((facet) => chart(facet, name))}
            </div>
          </section>
        ))
      )}
      {at && readFacet && (
        <Readout
          at={at}
          facet={readFacet}
          of={of}
          along={along}
          lineName={props.lineName}
          lit={props.lit}
        />
      )}
    </>
  )
}

/** What the axis of a quantity holds beside the values. */
const reach = (of: Quantity, targets: readonly number[]): readonly number[] =>
  of === 'l0' ? targets : [quantities[of].least_max ?? Number.NaN]

function Caption(props: { of: Quantity }) {
  const { name, term, scale } = quantities[props.of]
  return (
    <>
      <Term of={term}>{name}</Term>
      {scale === 'log' && <span className="quiet">, logarithmic</span>}
      {props.of === 'l0' && <span className="quiet">; dotted: asked</span>}
    </>
  )
}

/** Every value of a facet at one place, beside the pointer, or at the foot of a narrow window; nothing moves for it. */
function Readout(props: {
  at: At
  facet: Facet
  of: readonly Quantity[]
  along: Along
  lineName: string
  lit: string | undefined
}) {
  const { at, facet, along } = props
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const { width, height } = element.getBoundingClientRect()
    const right = at.screen.x + 18
    const left = right + width > innerWidth - 8 ? at.screen.x - 18 - width : right
    const top = Math.min(innerHeight - height - 8, Math.max(56, at.screen.y - height / 2))
    element.style.setProperty('--left', `${Math.max(8, left)}px`)
    element.style.setProperty('--top', `${top}px`)
  })
  const rows = facet.lines.map((line) => {
    const places = placesOf(line.points, along)
    return { line, point: line.points[nearest(places, at.x)] }
  })
  const [first] = rows
  const isOneSuite = props.lineName !== 'suite'
  const columns = props.of.filter((name) => !(isOneSuite && quantities[name].ofSuite))
  const point = first?.point
  const also = [
    facet.name,
    ...(point && along !== 'tokens' ? [placeName(point.n_tokens, 'tokens')] : []),
    ...(point && isOneSuite
      ? [`${quantities.tokens_per_s.format(point.tokens_per_s)} tokens/s`]
      : []),
  ].filter((part) => part !== '')
  return (
    <div ref={box} className="readout" aria-hidden="true">
      <p>
        {placeName(at.x, along)}
        <span className="quiet"> {also.join(', ')}</span>
      </p>
      <table>
        <thead>
          <tr>
            <th>{props.lineName}</th>
            {columns.map((name) => (
              <th key={name} className="number">
                {quantities[name].name.replace('reconstruction', 'recon.')}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ line, point }) => (
            <tr key={line.key} className={line.key === props.lit ? 'lit' : undefined}>
              <th>
                <span className="swatch-line" style={{ '--colour': line.colour }} />
                {line.name}
              </th>
              {columns.map((name) => (
                <td key={name} className="number">
                  {point?.[name] === undefined
                    ? short(undefined)
                    : quantities[name].format(point[name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
