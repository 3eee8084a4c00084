/** How the labels of a latent did in tests on texts that their makers had not seen: each score with its interval. */
import type { LabelScoreView, LabelView } from '../../../src/api/index.ts'
import { fixed } from '../format/numbers.ts'

/** What each scorer asks. */
export const testQuestions: Readonly<Record<string, string>> = {
  lexical: 'whether the words it names stand where the latent fires',
  detection: 'which texts it fires in',
  fuzzing: 'whether the right tokens are marked',
  simulation: 'how strongly on each token',
  intruder: 'whether its texts have anything in common; asks nothing of the label',
  embedding: 'nearness of label and texts',
  causal: 'whether it appears where the latent is turned up',
}

/** One list a label in force; nothing where none was tested. */
export function LabelScores(props: {
  labels: readonly LabelView[]
  scores: readonly LabelScoreView[]
}) {
  const tested = props.labels
    .filter(({ retired_at }) => retired_at === undefined)
    .map((label) => ({ label, scores: props.scores.filter((score) => score.label === label.id) }))
    .filter(({ scores }) => scores.length > 0)
  if (tested.length === 0) return null
  return (
    <section aria-label="Tests of labels">
      <h2>How labels did in tests</h2>
      {tested.map(({ label, scores }) => (
        <div key={label.id} className="label-scores">
          <h3>
            <bdi>{label.text}</bdi>
          </h3>
          <ul>
            {scores.map((score) => (
              <li key={`${score.scorer} ${score.judge}`}>
                <span>
                  {score.scorer}
                  {testQuestions[score.scorer] && <small>{testQuestions[score.scorer]}</small>}
                </span>
                <Whisker score={score} />
                <span className="value">{fixed(score.value, 2)}</span>
                <small className="score-facts">
                  {score.measure} {fixed(score.low, 2)} to {fixed(score.high, 2)} (95 %), chance{' '}
                  {fixed(score.chance, 1)}; {score.n}{' '}
                  {score.scorer === 'intruder' ? 'rounds' : 'texts'}; judged by{' '}
                  <bdi>{score.judge}</bdi>
                </small>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  )
}

/** The interval on 0 to 1, the value as a dot, chance as a tick. Said in words beside it. */
function Whisker({ score }: { score: LabelScoreView }) {
  const at = (value: number) => 100 * Math.min(1, Math.max(0, value))
  return (
    <svg className="whisker" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <line className="axis" x1="0" x2="100" y1="5" y2="5" />
      <line className="chance" x1={at(score.chance)} x2={at(score.chance)} y1="0" y2="10" />
      <line className="reach" x1={at(score.low)} x2={at(score.high)} y1="5" y2="5" />
      <line className="found" x1={at(score.value)} x2={at(score.value)} y1="1" y2="9" />
    </svg>
  )
}
