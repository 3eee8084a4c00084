/** The dictionaries of a suite, one a row, with what was measured and on how many tokens. */
import { Link } from '@tanstack/react-router'
import type { SaeSummary, SelfTest } from '../../../src/api/index.ts'
import { type MetricColumn, mainMetrics, measured, moreMetrics } from '../format/metrics.ts'
import { siteName } from '../format/names.ts'
import { count, none, percent } from '../format/numbers.ts'
import { Sparkline } from './Histogram.tsx'
import { SelfTestBadge, selfTestSentences } from './SelfTestBadge.tsx'
import { Term } from './Term.tsx'

/** The table; pointing at a row lights its curves, its name opens its latents. */
export function SuiteTable(props: {
  saes: readonly SaeSummary[]
  /** Of those that were tested. */
  selfTests: readonly SelfTest[]
  open: string | undefined
  onLit: (sae: string | undefined) => void
  /** Whether the metrics that are listed on demand are. */
  all: boolean
  onAll: (all: boolean) => void
}) {
  const { saes } = props
  const tests = new Map(props.selfTests.map((test) => [test.sae, test]))
  const more = measured(moreMetrics, saes)
  const columns = [...measured(mainMetrics, saes), ...(props.all ? more : [])]
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section className="table-scroll" aria-label="Dictionaries" tabIndex={0}>
        <table className="suite-table">
          <thead>
            <tr>
              <th scope="col">site</th>
              <th scope="col">state</th>
              {tests.size > 0 && (
                <th scope="col">
                  <Term of="self_test">self-test</Term>
                </th>
              )}
              <th scope="col" className="number">
                <Term of="d_sae">latents</Term>
              </th>
              <th scope="col" className="number">
                asked
              </th>
              {columns.map(({ of, name }) => (
                <th key={of} scope="col" className="number">
                  <Term of={of}>{name}</Term>
                </th>
              ))}
              <th scope="col">
                <Term of="densities">density</Term>
              </th>
              <th scope="col" className="number">
                <Term of="labelled">labelled</Term>
              </th>
            </tr>
          </thead>
          <tbody>
            {saes.map((sae) => (
              <tr
                key={sae.id}
                aria-current={sae.id === props.open || undefined}
                onPointerEnter={() => props.onLit(sae.id)}
                onPointerLeave={() => props.onLit(undefined)}
              >
                <th scope="row">
                  <Link
                    to="/suite"
                    search={(old) => ({ ...old, sae: sae.id })}
                    resetScroll={false}
                    title={sae.hook}
                    onFocus={() => props.onLit(sae.id)}
                    onBlur={() => props.onLit(undefined)}
                  >
                    {siteName(sae.hook)}
                  </Link>
                </th>
                <td>
                  <span className={`state ${sae.state}`}>{sae.state}</span>
                </td>
                {tests.size > 0 && (
                  <td>
                    <SelfTestBadge test={tests.get(sae.id)} />
                  </td>
                )}
                <td className="number">{count(sae.d_sae)}</td>
                <td className="number quiet">{sae.l0_target ?? none}</td>
                {sae.failed ? (
                  <td className="failed-why" colSpan={columns.length + 2}>
                    {failureText(sae.failed)}
                  </td>
                ) : (
                  <Measurements sae={sae} columns={columns} />
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <SelfTestFindings saes={saes} tests={tests} />
      <div className="table-note">
        <p className="quiet">{noteOf(saes)} Press or focus a column’s name for its definition.</p>
        {more.length > 0 && (
          <label className="check">
            <input
              type="checkbox"
              checked={props.all}
              onChange={(e) => props.onAll(e.target.checked)}
            />
            all metrics
          </label>
        )}
      </div>
    </>
  )
}

/** What was found of the dictionaries that are not as claimed, for all to read. */
function SelfTestFindings(props: {
  saes: readonly SaeSummary[]
  tests: ReadonlyMap<string, SelfTest>
}) {
  const off = props.saes.flatMap((sae) => {
    const test = props.tests.get(sae.id)
    return test && test.badge !== 'green' ? [{ sae, test }] : []
  })
  if (off.length === 0) return null
  return (
    <ul className="self-test-findings" aria-label="Dictionaries that are not as claimed">
      {off.map(({ sae, test }) => (
        <li key={sae.id}>
          <SelfTestBadge test={test} /> <b>{siteName(sae.hook)}</b>{' '}
          {selfTestSentences(test).join(' ')}
        </li>
      ))}
    </ul>
  )
}

function Measurements(props: { sae: SaeSummary; columns: readonly MetricColumn[] }) {
  const { sae, columns } = props
  return (
    <>
      {columns.map(({ of, format }) => (
        <td key={of} className="number">
          {format(sae.metrics?.[of])}
        </td>
      ))}
      <td>
        {sae.density_histogram && (
          <Sparkline
            counts={sae.density_histogram.counts}
            name={`Density of ${siteName(sae.hook)}: ${densityWords(sae.density_histogram)}`}
          />
        )}
      </td>
      <td className="number">{count(sae.n_labelled)}</td>
    </>
  )
}

/** Why an SAE's training was stopped, and what is left of it. */
function failureText({ step, reason, last_good_step }: NonNullable<SaeSummary['failed']>) {
  const kept =
    last_good_step === undefined
      ? 'nothing of it was kept'
      : `kept as it was at step ${count(last_good_step)}`
  return `at step ${count(step)}: ${reason}; ${kept}`
}

function noteOf(saes: readonly SaeSummary[]): string {
  const distinct = (of: 'n_tokens' | 'dead_window_tokens') =>
    [...new Set(saes.flatMap((s) => s.metrics?.[of] ?? []))].map(count).join(' or ')
  const [tokens, window] = [distinct('n_tokens'), distinct('dead_window_tokens')]
  if (tokens === '') return 'Nothing is measured yet: a dash is a number that is not known.'
  return `Measured on ${tokens} held-out tokens, losses in nats${window && `; dead within ${window} tokens`}.`
}

function densityWords(h: { edges: readonly number[]; counts: readonly number[] }): string {
  const most = h.counts.indexOf(Math.max(...h.counts))
  const edge = h.edges[most]
  return edge === undefined ? 'unknown' : `most latents near ${percent(10 ** edge)} of tokens`
}
