/** One token through the layers: what would be predicted if the model ended there, and what the dictionaries see there. */
import { useQuery } from '@tanstack/react-query'
import type { Depth } from '../../../src/api/index.ts'
import { depthQuery } from '../api/queries.ts'
import { visiblePiece } from '../format/names.ts'
import { fixed, percent, short } from '../format/numbers.ts'
import type { Sheet } from '../state/sheet.ts'
import { Failure } from './Notice.tsx'
import { type Chosen, LatentRow } from './SiteLatents.tsx'
import { Term } from './Term.tsx'

type Layer = Depth['layers'][number]

/** The profile of the token in a column; it follows the focus, not the pointer. */
export function DepthProfile(props: {
  text: string
  suite: string | undefined
  column: number
  sheet: Sheet
  chosen: Chosen
}) {
  const { text, suite, column, sheet } = props
  const depth = useQuery(
    depthQuery({ text, token: column, ...(suite === undefined ? {} : { suite }) }),
  )
  if (depth.error) return <Failure error={depth.error} onRetry={() => void depth.refetch()} />
  if (!depth.data) return <div className="depth-waiting" aria-busy="true" />
  const { layers, token } = depth.data
  const guess = sheet.predictions[token]?.[0]?.piece
  const next = sheet.tokens[token + 1]?.piece
  return (
    <div className="depth" data-busy={depth.isPlaceholderData || undefined}>
      <Curve layers={layers} />
      <table className="depth-table">
        <caption className="hidden">
          Layers from the input to the output: what would be predicted there, and how probable the
          model’s own prediction already is
        </caption>
        <thead>
          <tr>
            <th scope="col">after</th>
            <th scope="col">
              <Term of="logit_lens">lens</Term>
            </th>
            <th scope="col">
              <bdi className="piece">{visiblePiece(guess ?? '', 'shown')}</bdi>
            </th>
            <th scope="col">
              <Term of="loss">loss</Term>
            </th>
          </tr>
        </thead>
        {layers.map((layer) => (
          <tbody key={layer.hook}>
            <tr>
              <th scope="row">{layer.layer === undefined ? 'input' : layer.layer}</th>
              <td>
                <bdi className="piece">
                  {visiblePiece(layer.predictions[0]?.piece ?? '', 'shown')}
                </bdi>{' '}
                <span className="quiet">{percent(layer.predictions[0]?.p)}</span>
              </td>
              <td>
                <span className="hidden">{percent(layer.final_p)}</span>
                <span className="meter">
                  <span style={{ inlineSize: `${100 * layer.final_p}%` }} />
                </span>
              </td>
              <td className="value">{fixed(layer.loss_nats, 2)}</td>
            </tr>
            {sheet.rows.map((row) => {
              const first = row.cells?.[token]?.[0]
              if (layer.layer === undefined || row.layer !== layer.layer || !row.cells) return null
              return (
                <tr key={row.sae} className="depth-site">
                  <td />
                  <td colSpan={3}>
                    <span className="site-facts quiet">
                      {[row.name.replace(/^layer \d+ ?/, '') || 'resid', row.variant]
                        .filter(Boolean)
                        .join(' ')}
                      : L0 {row.l0?.[token] ?? '–'}, FVU {short(row.fvu?.[token])}
                    </span>
                    {first && (
                      <LatentRow sheet={sheet} row={row} active={first} {...props.chosen} />
                    )}
                  </td>
                </tr>
              )
            })}
          </tbody>
        ))}
      </table>
      <p className="quiet depth-note">
        {next === undefined
          ? 'No token follows, so there is no loss.'
          : `Loss of “${visiblePiece(next, 'shown')}”, which follows, in nats.`}
      </p>
    </div>
  )
}

const [wide, high] = [100, 36]

/** Probability of the model's own prediction over the layers, as a line; the table has the numbers. */
function Curve({ layers }: { layers: readonly Layer[] }) {
  const points = layers.map(({ final_p }, i) => {
    const x = (wide * i) / Math.max(1, layers.length - 1)
    return `${x.toFixed(2)},${(high - (high - 2) * final_p).toFixed(2)}`
  })
  const last = layers.at(-1)
  return (
    <svg
      className="depth-curve"
      viewBox={`0 0 ${wide} ${high}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Probability of the model’s own prediction from the input to the last layer: ${percent(layers[0]?.final_p)} to ${percent(last?.final_p)}`}
    >
      <polygon points={`0,${high} ${points.join(' ')} ${wide},${high}`} />
      <polyline points={points.join(' ')} />
    </svg>
  )
}
