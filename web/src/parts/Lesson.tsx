/** One latent in four steps; a step opens when the one before it is done, and those done stay to be read. */
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import type { LatentView } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { isTried, type Lesson as LessonState, type Step, steps, verdicts } from '../state/lesson.ts'
import { recall } from '../state/remembered.ts'
import { formatInterventions } from '../state/urlState.ts'
import { Example } from './Examples.tsx'
import { LessonTrials } from './LessonTrials.tsx'
import { LogitTable } from './LogitTable.tsx'
import { Failure } from './Notice.tsx'

type StepProps = {
  latent: LatentView
  lesson: LessonState
  onLesson: (lesson: LessonState) => void
}

const stepNames = {
  look: 'Look',
  guess: 'Guess',
  falsify: 'Try to falsify',
  steer: 'Steer',
} as const

/** The lesson on one latent. */
export function Lesson(
  props: StepProps & {
    name: string
    n_finished: number
    onNext: (() => void) | undefined
    onRestart: () => void
  },
) {
  const { latent, lesson, name } = props
  const at = steps.indexOf(lesson.step)
  return (
    <section className="lesson" aria-label={`Lesson on ${name}`}>
      <header className="lesson-head">
        <h2>
          Your latent: <span className="place">{name}</span>
        </h2>
        <span className="lesson-choices">
          <button type="button" className="action" onClick={props.onRestart}>
            start over
          </button>
          {props.onNext && (
            <button type="button" className="action" onClick={props.onNext}>
              another latent
            </button>
          )}
        </span>
      </header>
      <ol className="lesson-steps">
        {(['look', 'guess', 'falsify', 'steer'] as const).map((step, i) => (
          <StepFrame
            key={step}
            step={step}
            n={i + 1}
            state={i < at ? 'done' : i === at ? 'now' : 'later'}
          >
            {step === 'look' && <Look {...props} />}
            {step === 'guess' && <Guess {...props} />}
            {step === 'falsify' && <Falsify {...props} />}
            {step === 'steer' && <SteerStep {...props} />}
          </StepFrame>
        ))}
      </ol>
      {lesson.step === 'done' && (
        <div className="lesson-end" role="status">
          <p>
            That is the whole craft: look, guess, try to be wrong, and see what it does.{' '}
            {lesson.verdict === 'no' &&
              'That the text did not follow is a finding too: many latents record something without driving the next words. '}
            <Link
              to="/latent/$sae/$index"
              params={{ sae: latent.sae, index: String(latent.index) }}
            >
              Open its page
            </Link>{' '}
            for all examples, its relatives and its history
            {props.onNext ? ', or take another latent.' : '.'}
          </p>
        </div>
      )}
    </section>
  )
}

/** A step with its number; one not reached yet shows its name alone. The heading takes the focus when the step opens. */
function StepFrame(props: {
  step: Exclude<Step, 'done'>
  n: number
  state: 'done' | 'now' | 'later'
  children: ReactNode
}) {
  const { step, n, state } = props
  const heading = useRef<HTMLHeadingElement>(null)
  const before = useRef(state)
  useEffect(() => {
    if (before.current === 'later' && state === 'now') heading.current?.focus()
    before.current = state
  }, [state])
  return (
    <li className={`lesson-step ${state}`} aria-current={state === 'now' ? 'step' : undefined}>
      <h3 ref={heading} tabIndex={-1}>
        <span className="lesson-number" aria-hidden="true">
          {state === 'done' ? '✓' : n}
        </span>
        {stepNames[step]}
        {state === 'done' && <span className="hidden">, done</span>}
        {state === 'later' && <span className="hidden">, comes later</span>}
      </h3>
      {state !== 'later' && <div className="lesson-body">{props.children}</div>}
    </li>
  )
}

/** Strong and weak examples, and nothing that anybody said of them. */
function Look({ latent, lesson, onLesson }: StepProps) {
  const strongest = latent.examples.filter(({ interval }) => interval === 0).slice(0, 6)
  const weaker = latent.examples.filter(({ interval }) => interval > 0)
  const spread = weaker.filter((_, i) => i % Math.max(1, Math.ceil(weaker.length / 4)) === 0)
  const list = (examples: typeof strongest) => (
    <ol className="example-list">
      {examples.map((example) => (
        <li key={`${example.interval}.${example.doc}.${example.start}.${example.peak}`}>
          <Example example={example} max={latent.max_act ?? 0} context="16" />
        </li>
      ))}
    </ol>
  )
  return (
    <>
      <p>
        Places in the corpus where this latent fires most: the stronger the colour, the more it
        fires. Read the underlined token and what stands before it: the model has not yet seen what
        comes after.
      </p>
      {list(strongest)}
      {spread.length > 0 && (
        <>
          <p>And some where it fires less, from stronger to weaker. Do they fit?</p>
          {list(spread)}
        </>
      )}
      {lesson.step === 'look' && (
        <button
          type="button"
          className="primary"
          onClick={() => onLesson({ ...lesson, step: 'guess' })}
        >
          I have an idea
        </button>
      )}
    </>
  )
}

/** One's own words for it. */
function Guess({ lesson, onLesson }: StepProps) {
  const [guess, setGuess] = useState(lesson.guess)
  const isNow = lesson.step === 'guess'
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const text = guess.trim()
    if (text !== '') onLesson({ ...lesson, guess: text, step: isNow ? 'falsify' : lesson.step })
  }
  return (
    <form className="lesson-form" onSubmit={submit}>
      <p>
        Say it so that it could be wrong. “Something with time” fits everything; “names of months,
        after a preposition” tells you which sentences would refute it.
      </p>
      <label>
        <span className="field-name">My guess: it fires on …</span>
        <input
          type="text"
          className="label-field"
          value={guess}
          maxLength={500}
          autoComplete="off"
          onChange={(e) => setGuess(e.target.value)}
        />
      </label>
      {(isNow || guess.trim() !== lesson.guess) && (
        <button type="submit" className="primary" disabled={guess.trim() === ''}>
          {isNow ? 'That is my guess' : 'Change my guess'}
        </button>
      )}
    </form>
  )
}

/** Sentences of one's own, each with a prediction. */
function Falsify({ latent, lesson, onLesson }: StepProps) {
  const tried = isTried(lesson.trials)
  return (
    <>
      <p>
        Write sentences that could prove you wrong. Two things count against a guess: a{' '}
        <em>miss</em>, where the guess applies and the latent stays silent, and a{' '}
        <em>false alarm</em>, where it fires although the guess does not apply. Near misses tell
        most: the same word in another sense, another word in the same sense.
      </p>
      <LessonTrials
        latent={latent}
        trials={lesson.trials}
        onTrial={(trial) => onLesson({ ...lesson, trials: [...lesson.trials, trial] })}
      />
      {lesson.step === 'falsify' && (
        <p className="lesson-go">
          <button
            type="button"
            className="primary"
            disabled={!tried}
            onClick={() => onLesson({ ...lesson, step: 'steer' })}
          >
            Go on and see the label
          </button>
          {!tried && (
            <>
              <span className="quiet">
                once you tried one sentence where it should fire and one where it should not, or
              </span>
              <button
                type="button"
                className="action"
                onClick={() => onLesson({ ...lesson, step: 'steer' })}
              >
                skip this
              </button>
            </>
          )}
        </p>
      )}
    </>
  )
}

/** What others called it; then what it does to the text. */
function SteerStep({ latent, lesson, onLesson }: StepProps) {
  const dock = formatInterventions([
    { sae: latent.sae, latent: latent.index, mode: 'add', strength: 1 },
  ])
  const scale = Math.max(0, ...latent.top_logits.map(({ effect }) => Math.abs(effect)))
  return (
    <>
      <Revealed latent={latent} lesson={lesson} />
      <p>
        Now the other end: does it <em>do</em> anything? While it is on, it makes these tokens more
        likely next:
      </p>
      <LogitTable name="raised" logits={latent.top_logits.slice(0, 6)} scale={scale} />
      <p>
        Say what you expect, then add it to every token while the model writes. Left is what it
        writes by itself, right with the latent, from the same seed. If nothing changes, raise the
        strength; if the text stammers, lower it.
      </p>
      <p>
        <Link
          to="."
          className="button primary"
          search={(old: Record<string, unknown>) => ({ ...old, dock })}
          replace
          resetScroll={false}
        >
          Steer with it
        </Link>
      </p>
      <fieldset className="chips lesson-verdict">
        <legend>Did the text follow your guess?</legend>
        {verdicts.map((verdict) => (
          <label key={verdict}>
            <input
              type="radio"
              name="verdict"
              checked={lesson.verdict === verdict}
              onChange={() => onLesson({ ...lesson, verdict, step: 'done' })}
            />
            <span>{verdict}</span>
          </label>
        ))}
      </fieldset>
    </>
  )
}

/** The labels in force beside the guess, and a way to add it to them. */
function Revealed({ latent, lesson }: { latent: LatentView; lesson: LessonState }) {
  const inForce = latent.labels.filter(({ retired_at }) => retired_at === undefined)
  const author = recall('author') ?? 'me'
  const save = useMutation({
    mutationFn: () =>
      api.addLabel({ sae: latent.sae, index: latent.index, text: lesson.guess, author }),
  })
  const isThere = inForce.some(({ text }) => text === lesson.guess)
  return (
    <>
      <dl className="lesson-labels">
        <div>
          <dt>your guess</dt>
          <dd>
            <bdi className="label by-manual">{lesson.guess}</bdi>{' '}
            {isThere || save.isSuccess ? (
              <span className="quiet">kept as a label by {author}</span>
            ) : (
              <button
                type="button"
                className="action"
                disabled={save.isPending}
                onClick={() => save.mutate()}
              >
                keep it as a label
              </button>
            )}
          </dd>
        </div>
        {inForce.map((label) => (
          <div key={label.id}>
            <dt>{label.method === 'manual' ? label.author : `${label.method} labeller`}</dt>
            <dd>
              <bdi className={`label by-${label.method}`}>{label.text}</bdi>{' '}
              <span className="quiet">
                {label.score === undefined
                  ? 'not scored'
                  : `score ${label.score.toFixed(2)}${label.score_method ? ` by ${label.score_method}` : ''}`}
              </span>
            </dd>
          </div>
        ))}
      </dl>
      {inForce.length === 0 && (
        <p className="quiet">Nobody has labelled it yet: yours is the first.</p>
      )}
      {save.error && <Failure error={save.error} />}
    </>
  )
}
