/** One label as a claim: what it says, who says so, how, when, how far to trust it, and who agrees. */
import type { LabelView } from '../../../src/api/index.ts'
import { date, fixed } from '../format/numbers.ts'
import { Term } from './Term.tsx'

const methodWords = {
  manual: 'by hand',
  lexical: 'from words',
  llm: 'by a language model',
} as const

/** How a label was made, in words. */
export const methodName = (method: LabelView['method']): string => methodWords[method]

/** Author, method, score, date, evidence; and that it is disputed or withdrawn. */
export function Provenance(props: { label: LabelView }) {
  const { label } = props
  return (
    <p className="provenance quiet">
      {methodName(label.method)}, <bdi>{label.author}</bdi>, {date(label.created_at)}
      {label.score !== undefined && (
        <>
          ; <Term of="score">score</Term> {fixed(label.score, 2)}
          {label.score_method && ` (${label.score_method})`}
        </>
      )}
      {label.evidence && (
        <>
          ; <bdi>{label.evidence}</bdi>
        </>
      )}
      {label.retired_at && `; withdrawn ${date(label.retired_at)}`}
      {label.disputed && (
        <>
          {' '}
          <span className="disputed-mark">disputed</span>
        </>
      )}
    </p>
  )
}

/** A vote to be cast: pressing what one has voted takes it back. */
export type CastVote = (label: LabelView, vote: 'agree' | 'dispute' | 'none') => void

/** Agree and dispute, each with its count; the reader's own vote is pressed. */
export function Votes(props: { label: LabelView; author: string; onVote: CastVote }) {
  const { label, author, onVote } = props
  const votes = label.votes ?? []
  const own = votes.find((vote) => vote.author === author)
  return (
    <fieldset className="votes">
      <legend className="hidden">
        Votes on “<bdi>{label.text}</bdi>”
      </legend>
      {(['agree', 'dispute'] as const).map((vote) => {
        const those = votes.filter(({ agrees }) => agrees === (vote === 'agree'))
        const pressed = own?.agrees === (vote === 'agree')
        return (
          <button
            key={vote}
            type="button"
            aria-pressed={pressed}
            title={those.map((one) => one.author).join(', ') || 'nobody yet'}
            onClick={() => onVote(label, pressed ? 'none' : vote)}
          >
            {vote} <span className="vote-count">{those.length}</span>
          </button>
        )
      })}
    </fieldset>
  )
}
