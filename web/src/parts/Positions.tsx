/** Where in documents a latent fires: the share of tokens on which it is on, by position. */
import type { LatentView } from '../../../src/api/index.ts'
import { count, percent } from '../format/numbers.ts'

type Position = NonNullable<LatentView['positions']>[number]

/** Bars of equal width over bins that widen; heights as shares of the tokens counted there. */
export function Positions(props: { positions: readonly Position[] | undefined }) {
  const { positions } = props
  if (!positions)
    return (
      <p className="quiet">
        Not counted: an earlier version made this index. Take its <code>latents.safetensors</code>{' '}
        away, and <code>hooke index</code> makes it anew.
      </p>
    )
  const shares = positions.map(({ n_active, n_tokens }) => n_active / n_tokens)
  const most = Math.max(...shares)
  if (!(most > 0)) return <p className="quiet">It fired nowhere.</p>
  const last = positions.at(-1)
  return (
    <figure className="histogram positions">
      <svg
        viewBox={`0 0 ${positions.length} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-label={positions.map((p, i) => `${rangeOf(p)}: ${percent(shares[i])}`).join('; ')}
      >
        {positions.map((p, i) => {
          const height = (40 * (shares[i] ?? 0)) / most
          return (
            <rect key={p.start} x={i + 0.08} y={40 - height} width={0.84} height={height}>
              <title>
                {`${rangeOf(p)}: on ${count(p.n_active)} of ${count(p.n_tokens)} tokens, ${percent(shares[i])}`}
              </title>
            </rect>
          )
        })}
      </svg>
      <figcaption>
        <span>{positions[0]?.start}</span>
        <span className="quiet">position in the document; highest bar {percent(most)}</span>
        <span>{last && last.end - 1}</span>
      </figcaption>
    </figure>
  )
}

const rangeOf = ({ start, end }: Position): string =>
  end - start === 1 ? `token ${start}` : `tokens ${start} to ${end - 1}`
