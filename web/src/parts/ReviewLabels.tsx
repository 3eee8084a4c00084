/** The labels of a latent under review, one of them chosen; in a blind review without a name until each is judged. */
import type { LabelView, Verdict } from '../../../src/api/index.ts'
import { Provenance } from './LabelClaim.tsx'

const verdictWords: Record<Verdict, string> = {
  same: 'the same as your guess',
  partly: 'partly your guess',
  different: 'different from your guess',
}

/** A list to choose from. @param props.named whether it may be seen whose labels they are, and what others think of them. */
export function ReviewLabels(props: {
  labels: readonly LabelView[]
  judged: readonly { label: number; verdict: Verdict }[]
  /** Its id; undefined where none is. */
  chosen: number | undefined
  named: boolean
  onChoose: (at: number) => void
}) {
  if (props.labels.length === 0) return <p className="quiet">No such label. Write one, or skip.</p>
  return (
    <ol className="review-labels" aria-label="Labels">
      {props.labels.map((label, at) => {
        const verdict = props.judged.find((one) => one.label === label.id)?.verdict
        const votes = label.votes ?? []
        const n_agree = votes.filter(({ agrees }) => agrees).length
        return (
          <li
            key={label.id}
            aria-current={label.id === props.chosen}
            className={props.named && label.disputed ? 'disputed' : undefined}
          >
            {props.named ? (
              <button type="button" className="review-label" onClick={() => props.onChoose(at)}>
                <bdi className={`label by-${label.method}`}>{label.text}</bdi>
              </button>
            ) : (
              <bdi className="label review-label">{label.text}</bdi>
            )}
            {props.named && <Provenance label={label} />}
            {props.named && votes.length > 0 && (
              <p className="provenance quiet">
                {n_agree} agree, {votes.length - n_agree} dispute
              </p>
            )}
            {verdict && <p className="provenance">{verdictWords[verdict]}</p>}
          </li>
        )
      })}
    </ol>
  )
}
