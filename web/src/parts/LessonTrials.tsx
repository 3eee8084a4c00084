/** A guess put to the test: a sentence, what the guess says of it, what the latent does. */
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import type { LatentView } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { percent } from '../format/numbers.ts'
import { faint, outcome, type Trial } from '../state/lesson.ts'
import { Failure } from './Notice.tsx'
import { Tokens } from './Tokens.tsx'

const outcomeWords = {
  'as guessed': 'as you guessed',
  miss: 'a miss: against your guess',
  'false alarm': 'a false alarm: against your guess',
  faint: 'too faint to count',
} as const

/** The form, the last answer, and the tally. */
export function LessonTrials(props: {
  latent: LatentView
  trials: readonly Trial[]
  onTrial: (trial: Trial) => void
}) {
  const { latent, trials } = props
  const { max_act } = latent
  const [text, setText] = useState('')
  const [fires, setFires] = useState<boolean>()
  const test = useMutation({
    mutationFn: async (asked: { text: string; fires: boolean }) => {
      const { sae, index } = latent
      const { tokens, values } = await api.testLatent({ sae, index, text: asked.text })
      const counted = values.map((value, i) => (tokens[i]?.special ? 0 : value))
      return { ...asked, pieces: tokens.map(({ piece }) => piece), values: counted }
    },
    onSuccess: ({ text, fires, values }) => {
      if (max_act) props.onTrial({ text, fires, strength: Math.max(0, ...values) / max_act })
      setText('')
      setFires(undefined)
    },
  })
  const ready = text.trim() !== '' && fires !== undefined && !test.isPending
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (ready) test.mutate({ text: text.trim(), fires })
  }
  const against = trials.filter((t) => ['miss', 'false alarm'].includes(outcome(t))).length
  const last = trials.at(-1)
  return (
    <>
      <form className="lesson-form" onSubmit={submit}>
        <label>
          <span className="field-name">A sentence</span>
          <textarea
            rows={2}
            value={text}
            maxLength={2_000}
            spellCheck={false}
            onChange={(e) => setText(e.target.value)}
            onKeyDown={(e) => {
              if (e.key === 'Enter' && !e.shiftKey) submit(e)
              if (e.key === 'Escape') e.currentTarget.blur()
            }}
          />
        </label>
        <fieldset className="chips lesson-choice">
          <legend>By my guess, the latent</legend>
          {[true, false].map((value) => (
            <label key={String(value)}>
              <input
                type="radio"
                name="prediction"
                checked={fires === value}
                onChange={() => setFires(value)}
              />
              <span>{value ? 'fires' : 'stays silent'}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" disabled={!ready}>
          Try it
        </button>
      </form>
      {test.error && <Failure error={test.error} />}
      <div className="lesson-answer" aria-live="polite">
        {test.data && last && last.text === test.data.text && (
          <>
            <Tokens
              name="your sentence"
              pieces={test.data.pieces}
              values={test.data.values}
              max={Math.max(max_act ?? 0, ...test.data.values)}
            />
            <p>
              {last.strength > 0
                ? `It reaches ${percent(last.strength)} of its maximum: `
                : 'It stays silent: '}
              <strong>{outcomeWords[outcome(last)]}</strong>.
            </p>
          </>
        )}
      </div>
      {trials.length > 0 && (
        <details className="lesson-tally">
          <summary>
            {trials.length === 1 ? '1 try' : `${trials.length} tries`}, {against} against the guess
          </summary>
          <ol>
            {trials.map((trial, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: tries are only ever added
              <li key={i}>
                <bdi>{trial.text}</bdi>{' '}
                <span className="quiet">
                  {trial.fires ? 'should fire' : 'should stay silent'}, reached{' '}
                  {percent(trial.strength)}: {outcomeWords[outcome(trial)]}
                </span>
              </li>
            ))}
          </ol>
          <p className="quiet">
            Firing counts from {percent(faint)} of its maximum in the corpus.
            {against > 0 && ' A guess that was refuted can be changed above, and tried again.'}
          </p>
        </details>
      )}
    </>
  )
}
