/** Final metrics of suites side by side with their differences from the first, and the settings that are not the same. */
import { Link } from '@tanstack/react-router'
import type { SaeSummary, SuiteOrigin } from '../../../src/api/index.ts'
import { type MetricColumn, mainMetrics, measured } from '../format/metrics.ts'
import { none, signed } from '../format/numbers.ts'
import { differences, pairSaes } from '../plot/pairs.ts'
import { Term } from './Term.tsx'

type Suite = { readonly name: string; readonly saes: readonly SaeSummary[] }
type Colour = (i: number) => string

/** A row a pair of SAEs, a group of columns a metric, a column a suite; below them the means over rows that all suites have. */
export function CompareTable(props: { suites: readonly Suite[]; colour: Colour }) {
  const { suites } = props
  const columns = measured(
    mainMetrics,
    suites.flatMap(({ saes }) => saes),
  )
  const pairs = pairSaes(suites)
  const rows = pairs.map(({ key, name, saes }) => ({
    key,
    name,
    of: (column: MetricColumn) => suites.map((s) => saes.get(s.name)?.metrics?.[column.of]),
  }))
  const whole = pairs.filter(({ saes }) => suites.every((s) => saes.get(s.name)?.metrics))
  const meanOf = ({ of }: MetricColumn) =>
    suites.map(({ name }) => mean(whole.flatMap(({ saes }) => saes.get(name)?.metrics?.[of] ?? [])))
  return (
    <section className="compare-metrics" aria-label="Metrics">
      <h2>Metrics</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <div className="table-scroll" tabIndex={0}>
        <table className="suite-table compare-table">
          <thead>
            <tr>
              <th scope="col" rowSpan={2}>
                site
              </th>
              {columns.map(({ of, name }) => (
                <th key={of} scope="colgroup" colSpan={suites.length}>
                  <Term of={of}>{name}</Term>
                </th>
              ))}
            </tr>
            <tr>
              {columns.flatMap(({ of }) =>
                suites.map(({ name }, i) => (
                  <th key={`${of} ${name}`} scope="col" className="number suite-column">
                    <span className="swatch-line" style={{ '--colour': props.colour(i) }} />
                    <span>{name}</span>
                  </th>
                )),
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key}>
                <th scope="row">{row.name}</th>
                {columns.map((column) => (
                  <Cells key={column.of} column={column} values={row.of(column)} />
                ))}
              </tr>
            ))}
          </tbody>
          {whole.length > 1 && (
            <tfoot>
              <tr>
                <th scope="row">mean</th>
                {columns.map((column) => (
                  <Cells key={column.of} column={column} values={meanOf(column)} />
                ))}
              </tr>
            </tfoot>
          )}
        </table>
      </div>
      <p className="quiet table-note">
        {whole.length > 0
          ? `Differences are from ${suites[0]?.name}, in green where they are to the better. `
          : 'Nothing is measured yet. '}
        Metrics measured on different text cannot be compared: see the settings below.
      </p>
    </section>
  )
}

function Cells(props: { column: MetricColumn; values: readonly (number | undefined)[] }) {
  const { format, better } = props.column
  const [first] = props.values
  return props.values.map((value, i) => {
    const by = value === undefined || first === undefined ? undefined : value - first
    const text = by === undefined ? '' : signed(by, format)
    const isBetter =
      better !== undefined && by !== undefined && (better === 'less' ? by < 0 : by > 0)
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its suite's place
      <td key={i} className={i === 0 ? 'number first' : 'number'}>
        {format(value)}
        {i > 0 && (
          <span className={isBetter && text !== '±0' ? 'by better' : 'by'}>{text || none}</span>
        )}
      </td>
    )
  })
}

/** A row a setting that differs, a column a suite. */
export function CompareSettings(props: { origins: readonly SuiteOrigin[]; colour: Colour }) {
  const { origins } = props
  const { names, n_same } = differences(origins)
  return (
    <section aria-label="Settings">
      <h2>Settings that differ</h2>
      {names.length === 0 ? (
        <p className="quiet table-note">
          {n_same === 0
            ? 'Nothing is known of how these suites were made.'
            : `None: all ${n_same} settings are the same.`}
        </p>
      ) : (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
          <div className="table-scroll" tabIndex={0}>
            <table className="suite-table settings-table">
              <thead>
                <tr>
                  <th scope="col">setting</th>
                  {origins.map(({ name }, i) => (
                    <th key={name} scope="col">
                      <span className="swatch-line" style={{ '--colour': props.colour(i) }} />
                      <Link to="/suite" search={{ suite: name }}>
                        {name}
                      </Link>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {names.map((setting) => (
                  <tr key={setting}>
                    <th scope="row">
                      <code>{setting}</code>
                    </th>
                    {origins.map(({ name, settings }) => (
                      <td key={name}>{settingText(settings[setting])}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p className="quiet table-note">
            {n_same} other settings are the same. “default” leaves the choice to the version.
          </p>
        </>
      )}
    </section>
  )
}

/** Hashes are recognised by their beginning. */
const settingText = (value: string | number | boolean | undefined): string => {
  if (value === undefined) return 'default'
  return typeof value === 'string' && /^[\da-f]{40,}$/.test(value)
    ? `${value.slice(0, 10)}…`
    : String(value)
}

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, v) => sum + v, 0) / values.length
