/** Two models layer by layer: how far apart activations are, and how well the same dictionaries describe both. */
import type { ModelComparison } from '../../../src/api/index.ts'
import { siteName } from '../format/names.ts'
import { count, fixed, none, short, signed } from '../format/numbers.ts'
import { siteNames } from '../state/comparison.ts'
import { Term } from './Term.tsx'

/** A row a site; bars are relative to the largest. The residual streams that have no dictionary stand with their distance only. */
export function CompareLayers(props: { found: ModelComparison }) {
  const { sites, layers, splice_tokens } = props.found
  const bare = layers
    .filter(({ hook }) => !sites.some((site) => site.hook === hook))
    .map((layer) => ({ ...layer, name: siteName(layer.hook), site: undefined }))
  const names = siteNames(sites)
  const named = sites.map((site, i) => ({ ...site, name: names[i], site }))
  const rows = [...named, ...bare]
    .map((row, order) => ({ row, order }))
    .sort((x, y) => (x.row.layer ?? -1) - (y.row.layer ?? -1) || x.order - y.order)
    .map(({ row }) => row)
  const furthest = Math.max(...rows.map(({ distance }) => distance)) || 1
  return (
    <section aria-label="Layers">
      <h2>Layers</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <div className="table-scroll" tabIndex={0}>
        <table className="suite-table layers-table">
          <thead>
            <tr>
              <th scope="col">site</th>
              <th scope="col" className="bar-column">
                <Term of="distance">distance</Term>
              </th>
              <th scope="col" className="number">
                <Term of="alike">cosine</Term>
              </th>
              <th scope="col" className="number">
                <Term of="fvu">FVU</Term>
              </th>
              <th scope="col" className="number">
                <Term of="delta_ce_loss">delta loss</Term>
              </th>
              <th scope="col" className="number">
                <Term of="l0">L0</Term>
              </th>
              <th scope="col" className="number">
                latents that differ
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ hook, name, distance, cosine, site }) => (
              <tr key={site?.sae ?? hook}>
                <th scope="row" title={hook}>
                  {name}
                </th>
                <td className="bar-column">
                  <span className="meter">
                    <span style={{ inlineSize: `${(100 * distance) / furthest}%` }} />
                  </span>
                  <span className="value">{short(distance)}</span>
                </td>
                <td className="number">{fixed(cosine, 4)}</td>
                <Both a={site?.base.fvu} b={site?.tuned.fvu} decimals={3} />
                <Both a={site?.base.delta_ce_loss} b={site?.tuned.delta_ce_loss} decimals={3} />
                <Both a={site?.base.l0} b={site?.tuned.l0} decimals={1} />
                <td className="number">
                  {site ? count(Object.values(site.n).reduce((x, y) => x + y, 0)) : none}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="quiet table-note">
        FVU, delta loss and L0 are those of the suite’s own model, with what the other’s differ by.
        {splice_tokens > 0 && ` Delta loss on ${count(splice_tokens)} tokens.`}
      </p>
    </section>
  )
}

/** A number of the suite's model, and by how much the other's differs. */
function Both(props: { a: number | undefined; b: number | undefined; decimals: number }) {
  const { a, b, decimals } = props
  return (
    <td className="number">
      {fixed(a, decimals)}
      <span className="by">
        {a === undefined || b === undefined ? '' : signed(b - a, (x) => fixed(x, decimals))}
      </span>
    </td>
  )
}
