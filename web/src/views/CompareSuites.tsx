/** Trainings side by side: their curves on shared axes, their metrics with the differences, the settings that differ. */
import { type UseQueryResult, useQueries, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import type { RunPoint } from '../../../src/api/index.ts'
import { originQuery, pointsQuery, workspaceQuery } from '../api/queries.ts'
import { CompareSettings, CompareTable } from '../parts/CompareTables.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { Panels } from '../parts/Panels.tsx'
import { QuantityChips } from '../parts/QuantityChips.tsx'
import { type Along, type Facet, trainingsOf } from '../plot/lines.ts'
import { pairSaes } from '../plot/pairs.ts'
import { telling } from '../plot/quantities.ts'
import type { Quantity } from '../plot/quantityNames.ts'
import { type CompareState, formatSuites, mostSuites, parseSuites } from '../state/urlState.ts'

const alongNames = { step: 'steps', tokens: 'tokens', time: 'training time' } as const

/** The colour of the i-th suite. */
const suiteColour = (i: number) => `var(--series-${i})`

/** The tab of trainings. */
export function CompareSuites() {
  const search = useSearch({ from: '/compare' })
  const navigate = useNavigate({ from: '/compare' })
  const { data: workspace, error, refetch } = useQuery(workspaceQuery)
  const there = useMemo(
    () => workspace?.suites.filter(({ saes }) => saes.length > 0) ?? [],
    [workspace],
  )
  const suites = useMemo(() => {
    if (search.suites === undefined) return there.slice(0, 2)
    return parseSuites(search.suites).flatMap((name) => there.find((s) => s.name === name) ?? [])
  }, [there, search.suites])
  const chosen = suites.map(({ name }) => name)
  const change = (to: CompareState) =>
    void navigate({ search: (old) => ({ ...old, ...to }), replace: true, resetScroll: false })
  const toggle = (name: string) => {
    const names = chosen.includes(name) ? chosen.filter((n) => n !== name) : [...chosen, name]
    change({ suites: formatSuites(names) || '~' })
  }
  return (
    <>
      {error && !workspace && <Failure error={error} onRetry={() => void refetch()} />}
      {workspace && there.length < 2 ? (
        <Notice>
          A comparison needs two suites, and this workspace holds {there.length}. Train another into
          the same folder: <code>hooke train … --out &lt;workspace&gt;/&lt;name&gt;</code>.
        </Notice>
      ) : (
        <fieldset className="suite-choice">
          <legend className="hidden">Suites</legend>
          {there.map(({ name }) => {
            const place = chosen.indexOf(name)
            return (
              <label key={name} className="check">
                <input
                  type="checkbox"
                  checked={place >= 0}
                  disabled={place < 0 && chosen.length >= mostSuites}
                  onChange={() => toggle(name)}
                />
                <span
                  className="chosen"
                  style={{ '--colour': place < 0 ? 'transparent' : suiteColour(place) }}
                >
                  {name}
                </span>
              </label>
            )
          })}
        </fieldset>
      )}
      {suites.length > 0 && (
        <>
          <CompareCurves suites={suites} search={search} onChange={change} />
          <CompareTable suites={suites} colour={suiteColour} />
          <Origins names={chosen} />
        </>
      )}
    </>
  )
}

function Origins(props: { names: readonly string[] }) {
  const origins = useQueries({ queries: props.names.map(originQuery) })
  const failed = origins.find(({ error }) => error)
  if (failed) return <Failure error={failed.error} onRetry={() => void failed.refetch()} />
  const known = origins.flatMap(({ data }) => data ?? [])
  if (known.length < props.names.length) return null
  return <CompareSettings origins={known} colour={suiteColour} />
}

function CompareCurves(props: {
  suites: NonNullable<Parameters<typeof pairSaes>[0]>
  search: CompareState
  onChange: (to: CompareState) => void
}) {
  const { suites, search, onChange } = props
  const { points, failed } = useQueries({
    queries: suites.map(({ name }) => pointsQuery(name)),
    combine: together,
  })
  const pairs = useMemo(() => pairSaes(suites), [suites])
  const site = pairs.find(({ key }) => key === search.site)
  const facets = useMemo(() => {
    const trainings = new Map(
      points.flatMap((list) => trainingsOf(list ?? [])).map((one) => [one.sae, one.points]),
    )
    return (site ? [site] : pairs).flatMap((pair): Facet[] => {
      const lines = suites.flatMap(({ name }, i) => {
        const sae = pair.saes.get(name)
        const own = sae && trainings.get(sae.id)
        return own ? [{ key: name, name, colour: suiteColour(i), points: own }] : []
      })
      const targets = new Set([...pair.saes.values()].flatMap((sae) => sae.l0_target ?? []))
      return lines.length > 0
        ? [{ key: pair.key, name: pair.name, lines, targets: [...targets] }]
        : []
    })
  }, [points, pairs, site, suites])
  const told = useMemo(
    () => telling(facets.flatMap(({ lines }) => lines.flatMap((line) => line.points))),
    [facets],
  )
  const along: Along = search.along ?? 'step'
  const fallback: Quantity | 'all' = facets.length === 1 ? 'all' : 'fvu'
  const shown =
    search.show === 'all' || told.includes(search.show ?? 'fvu') ? search.show : undefined
  const now = shown ?? fallback
  const of = useMemo(() => (now === 'all' ? told : [now]), [now, told])
  if (failed) return <Failure error={failed.error} onRetry={() => void failed.refetch()} />
  return (
    <section className="training" aria-label="Curves">
      <header className="section-head">
        <h2>Curves</h2>
        <select
          aria-label="Site"
          value={site?.key ?? ''}
          onChange={(e) => onChange({ site: e.target.value })}
        >
          <option value="">every site</option>
          {pairs.map(({ key, name }) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
        <select
          aria-label="Over"
          value={along}
          onChange={(e) => onChange(readAlong(e.target.value))}
        >
          {(Object.keys(alongNames) as Along[]).map((name) => (
            <option key={name} value={name}>
              over {alongNames[name]}
            </option>
          ))}
        </select>
        <QuantityChips of={told} shown={now} onShow={(show) => onChange({ show })} />
      </header>
      {facets.length === 0 ? (
        <p className="quiet curves-empty">
          {points.includes(undefined)
            ? 'The curves are on their way.'
            : 'Nothing was kept of how these suites trained.'}
        </p>
      ) : (
        <Panels facets={facets} of={of} along={along} lineName="suite" names="none" />
      )}
    </section>
  )
}

/** Answers as one, so that it is the same as long as they are. */
const together = (answers: UseQueryResult<RunPoint[]>[]) => ({
  points: answers.map(({ data }) => data),
  failed: answers.find(({ error }) => error),
})

const readAlong = (value: string): CompareState =>
  value === 'tokens' || value === 'time' ? { along: value } : { along: undefined }
