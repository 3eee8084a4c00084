/** The dictionaries of a suite, one a row, with what was measured and on how many tokens. */
import { Link } from '@tanstack/react-router'
import type { SaeSummary } from '../../../src/server/api.ts'
import { siteName } from '../format/names.ts'
import { count, fixed, none, percent } from '../format/numbers.ts'
import { Sparkline } from './Histogram.tsx'
import { Term } from './Term.tsx'

/** The table; pointing at a row lights its curves, its name opens its latents. */
export function SuiteTable(props: {
  saes: readonly SaeSummary[]
  open: string | undefined
  onLit: (sae: string | undefined) => void
}) {
  const windows = new Set(props.saes.map((s) => s.metrics?.dead_window_tokens))
  const tokens = new Set(props.saes.map((s) => s.metrics?.n_tokens))
  windows.delete(undefined)
  tokens.delete(undefined)
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section className="table-scroll" aria-label="Dictionaries" tabIndex={0}>
        <table className="suite-table">
          <thead>
            <tr>
              <th scope="col">site</th>
              <th scope="col">state</th>
              <th scope="col" className="number">
                <Term of="d_sae">latents</Term>
              </th>
              <th scope="col" className="number">
                <Term of="l0">L0</Term>
              </th>
              <th scope="col" className="number">
                asked
              </th>
              <th scope="col" className="number">
                <Term of="fvu">FVU</Term>
              </th>
              <th scope="col" className="number">
                <Term of="delta_ce_loss">delta loss</Term>
              </th>
              <th scope="col" className="number">
                <Term of="dead">dead</Term>
              </th>
              <th scope="col">
                <Term of="densities">density</Term>
              </th>
              <th scope="col" className="number">
                <Term of="labelled">labelled</Term>
              </th>
            </tr>
          </thead>
          <tbody>
            {props.saes.map((sae) => (
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
                <td className="number">{count(sae.d_sae)}</td>
                <td className="number">{fixed(sae.metrics?.l0, 1)}</td>
                <td className="number quiet">{sae.l0_target ?? none}</td>
                <td className="number">{fixed(sae.metrics?.fvu, 3)}</td>
                <td className="number">{fixed(sae.metrics?.delta_ce_loss, 3)}</td>
                <td className="number">{percent(sae.metrics?.dead)}</td>
                <td>
                  {sae.density_histogram && (
                    <Sparkline
                      counts={sae.density_histogram.counts}
                      name={`Density of ${siteName(sae.hook)}: ${densityWords(sae.density_histogram)}`}
                    />
                  )}
                </td>
                <td className="number">{count(sae.n_labelled)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p className="quiet table-note">
        {tokens.size > 0
          ? `L0, FVU and delta loss in nats on ${[...tokens].map(count).join(' or ')} held-out tokens`
          : 'Nothing is measured yet: a dash is a number that is not known'}
        {windows.size > 0 && `; dead within ${[...windows].map(count).join(' or ')} tokens`}. Press
        or focus a column’s name for its definition.
      </p>
    </>
  )
}

function densityWords(h: { edges: readonly number[]; counts: readonly number[] }): string {
  const most = h.counts.indexOf(Math.max(...h.counts))
  const edge = h.edges[most]
  return edge === undefined ? 'unknown' : `most latents near ${percent(10 ** edge)} of tokens`
}
