/** The training of a suite as it goes, or as it went. */
import { useMemo } from 'react'
import type { RunPoint, SaeSummary } from '../../../src/api/index.ts'
import { facetsOf, shade, trainingsOf } from '../plot/lines.ts'
import { telling } from '../plot/quantities.ts'
import type { Quantity } from '../plot/quantityNames.ts'
import { Panels } from './Panels.tsx'
import { QuantityChips } from './QuantityChips.tsx'

/** With more panels than this for each quantity, one quantity is shown at a time unless all are asked for. */
const mostAtOnce = 4

const lineNames = { layer: 'layer', l0: 'L0', width: 'latents', site: 'site' } as const

/** The section with its choice of quantities and the key of its colours. */
export function TrainingCurves(props: {
  readonly saes: readonly SaeSummary[]
  readonly points: readonly RunPoint[]
  readonly lit: string | undefined
  /** What was asked for; undefined leaves it to the number of panels. */
  readonly shown: Quantity | 'all' | undefined
  readonly onShow: (shown: Quantity | 'all') => void
}) {
  const { saes, points } = props
  const { facets, by, values } = useMemo(
    () =>
      facetsOf(
        trainingsOf(
          points,
          saes.map(({ id }) => id),
        ),
      ),
    [points, saes],
  )
  const told = useMemo(() => telling(points), [points])
  const asked = props.shown ?? (facets.length > mostAtOnce ? 'fvu' : 'all')
  const shown = asked === 'all' || told.includes(asked) ? asked : 'all'
  const of = useMemo(() => (shown === 'all' ? told : [shown]), [shown, told])
  const [first, last] = [values[0], values.at(-1)]
  return (
    <section className="training" aria-label="Training">
      <header className="section-head">
        <h2>Training</h2>
        {values.length > 1 && (
          <p className="ramp quiet">
            {lineNames[by]} {first}
            <span aria-hidden="true" className="ramp-bar">
              {values.map((value, i) => (
                <span key={value} style={{ '--colour': shade(i, values.length) }} />
              ))}
            </span>
            {last}
          </p>
        )}
        {points.length > 0 && <QuantityChips of={told} shown={shown} onShow={props.onShow} />}
      </header>
      {points.length === 0 ? (
        <p className="quiet curves-empty">The first measurement is on its way.</p>
      ) : (
        <Panels facets={facets} of={of} along="step" lit={props.lit} lineName={lineNames[by]} />
      )}
    </section>
  )
}
