/** How far blind guesses agree with labels, by who made the label: shares with their intervals and counts. */
import { useQuery } from '@tanstack/react-query'
import type { Agreement } from '../../../src/api/index.ts'
import { agreementQuery } from '../api/queries.ts'
import { count, fixed } from '../format/numbers.ts'
import { methodName } from './LabelClaim.tsx'
import { Term } from './Term.tsx'

/** The table; nothing where nothing was measured, unless it is `shown` that measuring is under way. */
export function Agreements(props: {
  suite: string | undefined
  sae: string | undefined
  shown: boolean
}) {
  const { data } = useQuery({
    ...agreementQuery({ suite: props.suite, sae: props.sae }),
    enabled: props.suite !== undefined,
  })
  if (!data || (data.length === 0 && !props.shown)) return null
  return (
    <section className="agreements" aria-label="Agreement">
      <h2>Agreement of blind guesses with labels</h2>
      {data.length === 0 ? (
        <p className="quiet">
          Nothing judged yet. In a blind review latents are drawn at random, you guess first, and
          then say how your guess compares before you see whose label it is.
        </p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reachable by keyboard
        <section className="agreement-scroll" aria-label="Table of agreement" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>label</th>
                <th className="number">guesses</th>
                <th className="number">people</th>
                <th>the same</th>
                <th>the same or partly</th>
                <th className="number">
                  <Term of="overlap">words shared</Term>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.map((row) => (
                <tr key={`${row.method} ${row.author}`}>
                  <th>
                    {methodName(row.method)}: <bdi>{row.author}</bdi>
                  </th>
                  <td className="number">{count(row.n)}</td>
                  <td className="number">{count(row.n_reviewers)}</td>
                  <td>
                    <Interval of={row.same} />
                  </td>
                  <td>
                    <Interval of={row.at_least_partly} />
                  </td>
                  <td className="number">
                    {fixed(row.overlap, 2)}
                    {row.overlap_by_chance !== undefined && (
                      <span className="quiet"> (by chance {fixed(row.overlap_by_chance, 2)})</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {data.length > 0 && (
        <p className="quiet">
          Judged by whoever guessed, each label before its author was shown. Shares with 95 %
          intervals (Wilson), as if every guess were independent. Latents skipped without a guess
          are not in it: skipping the hard ones flatters.
        </p>
      )}
    </section>
  )
}

/** A share, its interval in words and drawn. */
function Interval(props: { of: Agreement['same'] }) {
  const { share, low, high } = props.of
  const whole = (x: number) => Math.round(100 * x)
  return (
    <span className="interval-cell">
      <span className="value">
        {whole(share)} %{' '}
        <span className="quiet">
          {whole(low)} to {whole(high)}
        </span>
      </span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <line className="ground" x1="0" x2="100" y1="4" y2="4" />
        <line x1={100 * low} x2={100 * high} y1="4" y2="4" />
        <rect x={100 * share - 0.75} y="0" width="1.5" height="8" />
      </svg>
    </span>
  )
}
