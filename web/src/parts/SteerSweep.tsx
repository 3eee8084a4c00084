/** Dose and response: what each strength does to the text, the useful band marked; a point gives its strength and its texts. */
import { type KeyboardEvent, type PointerEvent, useRef, useState } from 'react'
import type { SweepVerdict } from '../../../src/api/index.ts'
import { BAND_RULE } from '../../../src/steer/band.ts'
import { leadOf } from '../../../src/steer/strengths.ts'
import { fixed, short } from '../format/numbers.ts'
import type { SweepPoint, SweepRun } from '../state/sweeping.ts'
import { Failure } from './Notice.tsx'
import { Term, type TermName } from './Term.tsx'

const verdicts = {
  useful: 'useful',
  no_effect: 'no effect',
  unlikely: 'unlikely text',
  repetitive: 'repeats itself',
} as const satisfies Record<SweepVerdict, string>

type Figures = {
  readonly kl?: number | undefined
  readonly perplexity?: number | undefined
  readonly repetition?: number | undefined
  readonly activation?: number | undefined
}
type Measure = keyof Figures

const panels: readonly { of: Measure; name: string; term: TermName }[] = [
  { of: 'activation', name: 'activation', term: 'sweep_activation' },
  { of: 'kl', name: 'KL', term: 'sweep_kl' },
  { of: 'perplexity', name: 'perplexity', term: 'perplexity' },
  { of: 'repetition', name: 'repetition', term: 'repetition' },
]

/** Units of the drawing, which is stretched to its panel's width. */
const column = 40
const height = 48
const margin = 5

/** The sweep as it comes. */
export function SteerSweep(props: {
  sweep: SweepRun
  /** The strength that is set now. */
  strength: number | undefined
  onStrength: (strength: number) => void
}) {
  const { sweep, onStrength } = props
  const [chosen, setChosen] = useState<number>()
  if (sweep.state === 'idle') return null
  const lead = leadOf(sweep.interventions)
  const figures = (of: Omit<SweepPoint, 'type' | 'strength' | 'verdict'> | undefined): Figures =>
    of === undefined
      ? {}
      : {
          kl: of.kl,
          perplexity: of.perplexity,
          repetition: of.repetition,
          activation: mean(of.acts[lead] ?? []),
        }
  // One that failed at once has nothing to draw.
  const isBarren = sweep.state === 'failed' && sweep.plain === undefined
  const at = chosen ?? props.strength
  const point = sweep.points.find(({ strength }) => strength === at)
  const pick = (i: number) => {
    const strength = sweep.strengths[i]
    if (strength === undefined) return
    setChosen(strength)
    if (sweep.points.some((measured) => measured.strength === strength)) onStrength(strength)
  }
  return (
    <section className="sweep" aria-label="Sweep" aria-busy={sweep.state === 'running'}>
      <header>
        <h2>Dose and response</h2>
        <span className="quiet" role="status">
          {sweep.state === 'running' && (
            <>
              <progress value={sweep.share} aria-label="Share of the sweep that is done" />{' '}
              {sweep.points.length} of {sweep.strengths.length} strengths
            </>
          )}
          {sweep.state === 'stopped' && 'Stopped.'}
          {sweep.state === 'done' && bandWords(sweep.points)}
        </span>
      </header>
      {sweep.error !== undefined && <Failure error={sweep.error} />}
      {!isBarren && (
        <div className="sweep-panels">
          {panels.map(({ of, name, term }) => (
            <div key={of} className="sweep-panel">
              <p>
                <Term of={term}>{name}</Term>
                <span className="value">{point && short(figures(point)[of])}</span>
                {of !== 'kl' && (
                  <span className="quiet">default {short(figures(sweep.plain)[of])}</span>
                )}
              </p>
              <Panel
                of={of}
                sweep={sweep}
                figures={sweep.strengths.map((strength) =>
                  figures(sweep.points.find((measured) => measured.strength === strength)),
                )}
                plain={figures(sweep.plain)[of]}
                at={at}
                onPick={pick}
              />
            </div>
          ))}
          <div className="sweep-panel">
            <p className="quiet">strength</p>
            <Strengths sweep={sweep} at={at} onPick={pick} />
          </div>
        </div>
      )}
      {point && <Texts point={point} prompt={sweep.prompt} />}
      {sweep.rule && (
        <p className="quiet sweep-rule">
          {sweep.rule} Useful strengths are shaded; dashed lines are the default’s, dotted ones the
          bounds. Perplexity is drawn on a logarithmic scale.
        </p>
      )}
    </section>
  )
}

/** What a useful text must not exceed. */
function boundOf(of: Measure, plain: number): number | undefined {
  if (of === 'perplexity') return BAND_RULE.max_perplexity_ratio * plain
  return of === 'repetition' ? plain + BAND_RULE.max_repetition_rise : undefined
}

/** Where values stand in a panel, all of which it holds: from 0, or for perplexity on a logarithmic scale. */
function heights(of: Measure, all: readonly number[]): (value: number) => number {
  const scaled = (x: number) => (of === 'perplexity' ? Math.log(x) : x)
  const least = of === 'perplexity' ? Math.min(...all.map(scaled)) : 0
  const range = Math.max(...all.map(scaled)) - least || 1
  return (value) => height - margin - ((height - 2 * margin) * (scaled(value) - least)) / range
}

/** One figure over the strengths: a line through its points, the default's dashed, what is allowed dotted, useful strengths shaded. */
function Panel(props: {
  of: Measure
  sweep: SweepRun
  figures: readonly Figures[]
  plain: number | undefined
  at: number | undefined
  onPick: (i: number) => void
}) {
  const { of, sweep, plain } = props
  const n = sweep.strengths.length
  const values = props.figures.map((figure) => figure[of])
  const bound = plain === undefined ? undefined : boundOf(of, plain)
  const y = heights(
    of,
    [...values, plain, bound].filter((x) => x !== undefined),
  )
  const x = (i: number) => (i + 0.5) * column
  const dots = values.flatMap((value, i) =>
    value === undefined ? [] : [{ i, x: x(i), y: y(value) }],
  )
  const chosen = sweep.strengths.indexOf(props.at ?? Number.NaN)
  const onPointerDown = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    props.onPick(Math.floor((n * (event.clientX - box.left)) / box.width))
  }
  return (
    <svg
      viewBox={`0 0 ${n * column} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      onPointerDown={onPointerDown}
    >
      {sweep.strengths.map((strength, i) => {
        const verdict = sweep.points.find((point) => point.strength === strength)?.verdict
        return verdict === 'useful' ? (
          <rect key={strength} className="band" x={i * column} width={column} height={height} />
        ) : null
      })}
      {chosen >= 0 && <line className="at" x1={x(chosen)} x2={x(chosen)} y2={height} />}
      {plain !== undefined && of !== 'kl' && (
        <line className="plain" x2={n * column} y1={y(plain)} y2={y(plain)} />
      )}
      {bound !== undefined && (
        <line className="bound" x2={n * column} y1={y(bound)} y2={y(bound)} />
      )}
      <polyline points={dots.map((dot) => `${dot.x},${dot.y.toFixed(2)}`).join(' ')} />
      {dots.map((dot) => (
        <path
          key={dot.i}
          className={dot.i === chosen ? 'dot chosen' : 'dot'}
          d={`M${dot.x} ${dot.y.toFixed(2)}h0`}
        />
      ))}
    </svg>
  )
}

/** The axis: every strength can be chosen, with the arrow keys too. */
function Strengths(props: {
  sweep: SweepRun
  at: number | undefined
  onPick: (i: number) => void
}) {
  const { sweep } = props
  const list = useRef<HTMLDivElement>(null)
  const chosen = sweep.strengths.indexOf(props.at ?? Number.NaN)
  const onKeyDown = (event: KeyboardEvent) => {
    const last = sweep.strengths.length - 1
    const from = Math.max(0, chosen)
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key]
    if (to === undefined) return
    event.preventDefault()
    event.stopPropagation()
    const next = Math.min(last, Math.max(0, to))
    props.onPick(next)
    list.current?.querySelectorAll('button')[next]?.focus()
  }
  return (
    <div
      ref={list}
      className="sweep-strengths"
      role="radiogroup"
      aria-label="Strength"
      onKeyDown={onKeyDown}
    >
      {sweep.strengths.map((strength, i) => {
        const point = sweep.points.find((measured) => measured.strength === strength)
        return (
          // biome-ignore lint/a11y/useSemanticElements: a radio button cannot hold its figures
          <button
            key={strength}
            type="button"
            role="radio"
            aria-checked={i === chosen}
            aria-label={`${fixed(strength, 2)}${point ? `, ${verdicts[point.verdict]}` : ''}`}
            tabIndex={i === Math.max(0, chosen) ? 0 : -1}
            className={point?.verdict === 'useful' ? 'useful' : undefined}
            onClick={() => props.onPick(i)}
          >
            {strengthName(strength)}
          </button>
        )
      })}
    </div>
  )
}

/** 0.25 as ".25", with a real minus sign. */
const strengthName = (x: number): string =>
  `${x < 0 ? '−' : ''}${String(Math.abs(x)).replace(/^0\./, '.')}`

function Texts(props: { point: SweepPoint; prompt: string }) {
  const { strength, verdict, texts } = props.point
  return (
    <div className="sweep-texts">
      <p>
        At {strengthName(strength)}: <strong className={verdict}>{verdicts[verdict]}</strong>. Its{' '}
        {texts.length} texts:
      </p>
      <ol>
        {texts.map((text, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a text is its sample
          <li key={i} className="side-text">
            <bdi className="quiet">{props.prompt}</bdi>
            <bdi>{text}</bdi>
          </li>
        ))}
      </ol>
    </div>
  )
}

function bandWords(points: readonly SweepPoint[]): string {
  const useful = points.filter(({ verdict }) => verdict === 'useful')
  if (useful.length > 0) return `Useful: ${useful.map((p) => strengthName(p.strength)).join(', ')}`
  return 'No strength of these is useful.'
}

const mean = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((sum, x) => sum + x, 0) / numbers.length
