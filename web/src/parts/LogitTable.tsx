/** The output tokens that a latent raises or lowers most, with bars on one common scale. */
import { visiblePiece } from '../format/names.ts'
import { fixed } from '../format/numbers.ts'

/** One side; `scale` is the largest absolute effect of both sides. */
export function LogitTable(props: {
  name: string
  logits: readonly { piece: string; effect: number }[]
  scale: number
}) {
  return (
    <div className="logits">
      <h3>{props.name}</h3>
      {props.logits.length === 0 && <p className="quiet">Not computed for this site.</p>}
      <ol>
        {props.logits.map((l, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: two ids may share one piece
          <li key={i}>
            <bdi className="piece">{visiblePiece(l.piece, 'shown')}</bdi>
            <span className={l.effect < 0 ? 'meter down' : 'meter'}>
              <span style={{ inlineSize: `${(100 * Math.abs(l.effect)) / (props.scale || 1)}%` }} />
            </span>
            <span className="value">{fixed(l.effect, 2)}</span>
          </li>
        ))}
      </ol>
    </div>
  )
}
