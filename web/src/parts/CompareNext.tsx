/** What both runs predict behind their last tokens, side by side. */
import type { PromptComparison } from '../../../src/api/index.ts'
import { visiblePiece } from '../format/names.ts'
import { percent, short } from '../format/numbers.ts'
import type { SideNames } from '../state/comparison.ts'
import { Term } from './Term.tsx'

const shown = 6

/** The most probable next tokens of either run. */
export function CompareNext(props: { final: PromptComparison['final']; names: SideNames }) {
  const { kl_ab, guesses } = props.final
  return (
    <section className="compare-next" aria-label="What comes next">
      <h2>
        What comes next{' '}
        <span className="quiet">
          <Term of="next_kl">KL</Term> {short(kl_ab)} nats
        </span>
      </h2>
      <table>
        <thead>
          <tr>
            <th scope="col" className="hidden">
              token
            </th>
            <th scope="col">{props.names.a}</th>
            <th scope="col">{props.names.b}</th>
          </tr>
        </thead>
        <tbody>
          {guesses.slice(0, shown).map(({ piece, p_a, p_b }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two ids may share one piece
            <tr key={i}>
              <th scope="row">
                <bdi className="piece">{visiblePiece(piece, 'shown')}</bdi>
              </th>
              {[p_a, p_b].map((p, side) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a side is its place
                <td key={side} className={side === 0 ? 'side-a' : 'side-b'}>
                  <span className="meter">
                    <span style={{ inlineSize: `${p * 100}%` }} />
                  </span>
                  <span className="value">{percent(p)}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
