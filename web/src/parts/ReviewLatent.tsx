/** One latent under review: its examples, a guess, then its labels, then the decision. By keys and by touch alike. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import type {
  LabelView,
  LatentView,
  NewReview,
  ReviewItem,
  Verdict,
} from '../../../src/api/index.ts'
import { latentQuery } from '../api/queries.ts'
import { latentName } from '../format/names.ts'
import { fixed, percent } from '../format/numbers.ts'
import { useKeys } from '../state/keys.ts'
import { Example } from './Examples.tsx'
import { LabelForm } from './LabelEditor.tsx'
import { LogitTable } from './LogitTable.tsx'
import { Failure } from './Notice.tsx'
import { ReviewLabels } from './ReviewLabels.tsx'
import { Term } from './Term.tsx'

/** How many examples are put to a reviewer: the strongest, and of each lower interval. */
const most = { strongest: 8, each: 2 }

type Judgement = { readonly label: number; readonly verdict: Verdict }

/** The whole of one review; `key` it by its latent. */
export function ReviewLatent(props: {
  /** In a blind review without its labels. */
  latent: LatentView
  /** Why it is its turn, where it waits. */
  waiting: ReviewItem | undefined
  blind: boolean
  /** Whether blind reviews are asked for, be this one or not. */
  measuring: boolean
  reviewer: string
  isPending: boolean
  method: LabelView['method'] | undefined
  author: string | undefined
  onDecide: (review: NewReview) => void
}) {
  const { latent, blind, reviewer } = props
  const [guess, setGuess] = useState<string>()
  const [judged, setJudged] = useState<readonly Judgement[]>([])
  const [chosen, setChosen] = useState(0)
  const [editing, setEditing] = useState(false)
  const shown = useQuery({
    ...latentQuery(latent.sae, latent.index),
    enabled: guess !== undefined || !blind,
  })
  const labels = putLabels(shown.data?.labels ?? [], props)
  const label = labels[Math.min(chosen, labels.length - 1)]
  // Another window may add labels or withdraw some meanwhile: what is judged next is whatever has no verdict.
  const next = blind ? labels.find(({ id }) => judged.every((one) => one.label !== id)) : undefined
  const judging = guess !== undefined && next !== undefined
  const revealed = guess !== undefined && shown.data !== undefined && !judging

  const decide = (decision: NewReview['decision'], more: Partial<NewReview> = {}) => {
    if (props.isPending) return
    props.onDecide({
      ...{ sae: latent.sae, latent: latent.index, reviewer, blind, decision, ...more },
      ...(guess
        ? { guess, judgements: judged.filter((one) => labels.some(({ id }) => id === one.label)) }
        : {}),
    })
  }
  const judge = (verdict: Verdict) => judging && setJudged([...judged, { label: next.id, verdict }])
  const decideOn = (decision: 'accept' | 'dispute') =>
    revealed && label && decide(decision, { label: label.id })
  const move = (step: number) =>
    revealed && setChosen((old) => Math.max(0, Math.min(labels.length - 1, old + step)))
  useKeys({
    x: () => !editing && decide('skip'),
    a: () => decideOn('accept'),
    d: () => decideOn('dispute'),
    e: () => revealed && setEditing(true),
    j: () => move(1),
    k: () => move(-1),
    down: () => move(1),
    up: () => move(-1),
    '1': () => judge('same'),
    '2': () => judge('partly'),
    '3': () => judge('different'),
  })

  return (
    <>
      <p className="latent-place">
        {latentName(latent.hook, latent.index)}
        <span>
          {blind ? (
            'drawn at random'
          ) : props.measuring ? (
            'asked for, so not blind: it does not count as agreement'
          ) : (
            <Doubt item={props.waiting} />
          )}
        </span>
        {revealed && (
          <Link to="/latent/$sae/$index" params={{ sae: latent.sae, index: `${latent.index}` }}>
            open
          </Link>
        )}
      </p>
      <Evidence latent={latent} />
      <section className="review-desk" aria-label="Decision">
        {guess === undefined ? (
          <Guess blind={blind} onGuess={setGuess} onSkip={() => decide('skip')} />
        ) : (
          <>
            {guess && (
              <p className="review-guess">
                <span className="quiet">your guess</span> <bdi className="label">{guess}</bdi>
              </p>
            )}
            {shown.error ? (
              <Failure error={shown.error} onRetry={() => void shown.refetch()} />
            ) : shown.data === undefined ? (
              <p className="quiet" aria-busy="true">
                Fetching the labels.
              </p>
            ) : (
              <ReviewLabels
                labels={
                  judging
                    ? labels.filter(
                        ({ id }) => id === next.id || judged.some((one) => one.label === id),
                      )
                    : labels
                }
                judged={judged}
                chosen={judging ? next.id : label?.id}
                named={!judging}
                onChoose={setChosen}
              />
            )}
            {editing ? (
              <LabelForm
                text={guess || (label?.text ?? '')}
                busy={props.isPending}
                onSave={(text) => decide('edit', { text })}
                onCancel={() => setEditing(false)}
              />
            ) : judging ? (
              <Actions
                key="judge"
                name="How does your guess compare with this label?"
                actions={[
                  ['1', 'the same', () => judge('same')],
                  ['2', 'partly', () => judge('partly')],
                  ['3', 'different', () => judge('different')],
                ]}
              />
            ) : (
              <Actions
                key="decide"
                name="Decide"
                actions={[
                  ...(label
                    ? ([
                        ['a', 'accept', () => decideOn('accept')],
                        ['d', 'dispute', () => decideOn('dispute')],
                      ] as const)
                    : []),
                  ['e', 'edit', () => setEditing(true)],
                  ['x', 'skip', () => decide('skip')],
                ]}
              />
            )}
          </>
        )}
      </section>
    </>
  )
}

/** The labels that are put to the reviewer: not their own, those that the queue is about, in an order that tells nothing. */
function putLabels(
  labels: readonly LabelView[],
  props: {
    reviewer: string
    method: LabelView['method'] | undefined
    author: string | undefined
  },
): LabelView[] {
  return labels
    .filter(
      ({ retired_at, method, author }) =>
        retired_at === undefined &&
        (props.method === undefined ? method !== 'manual' : method === props.method) &&
        (props.author === undefined || author === props.author) &&
        !(method === 'manual' && author === props.reviewer),
    )
    .toSorted((a, b) => a.text.localeCompare(b.text) || a.id - b.id)
}

const reasons = {
  score: 'low score',
  votes: 'disputed',
  guesses: 'guesses differ',
  labels: 'labels differ',
} as const satisfies Record<NonNullable<ReviewItem['why']>, string>

/** How doubtful its labels are, and what makes them so. */
function Doubt({ item }: { item: ReviewItem | undefined }) {
  if (item?.doubt === undefined) return 'by use'
  return (
    <>
      <Term of="doubt">doubt</Term> {fixed(item.doubt, 2)}
      {item.why && `: ${reasons[item.why]}`}
    </>
  )
}

/** What there is to guess from: examples, how often it fires, what it raises. No label, and no neighbour's either. */
function Evidence(props: { latent: LatentView }) {
  const { latent } = props
  const groups = [...Map.groupBy(latent.examples, (e) => e.interval)].sort(([a], [b]) => a - b)
  const examples = groups.flatMap(([interval, list]) =>
    list.slice(0, interval === 0 ? most.strongest : most.each),
  )
  const scale = Math.max(
    0,
    ...[...latent.top_logits, ...latent.bottom_logits].map((l) => Math.abs(l.effect)),
  )
  return (
    <div className="latent-columns review-columns">
      <section className="latent-main" aria-label="Examples">
        <h2 className="hidden">Examples</h2>
        <ol className="example-list">
          {examples.map((example) => (
            <li key={`${example.doc}.${example.start}.${example.peak}`}>
              <Example example={example} max={latent.max_act ?? 0} context="16" />
            </li>
          ))}
        </ol>
      </section>
      <section className="latent-side" aria-label="Output tokens">
        <h2>
          What it <Term of="effect">writes</Term>
        </h2>
        <p className="quiet">It fires on {percent(latent.density)} of tokens.</p>
        <div className="logit-pair">
          <LogitTable name="raised" logits={latent.top_logits.slice(0, 6)} scale={scale} />
          <LogitTable name="lowered" logits={latent.bottom_logits.slice(0, 6)} scale={scale} />
        </div>
      </section>
    </div>
  )
}

/** The field for the guess. Enter shows the labels; without a guess too, but not in a blind review. */
function Guess(props: { blind: boolean; onGuess: (guess: string) => void; onSkip: () => void }) {
  const field = useRef<HTMLInputElement>(null)
  const [missing, setMissing] = useState(false)
  // A keyboard on the screen would cover the examples.
  useEffect(() => {
    if (!matchMedia('(pointer: coarse)').matches) field.current?.focus({ preventScroll: true })
  }, [])
  useKeys({ i: () => field.current?.focus(), enter: () => field.current?.form?.requestSubmit() })
  return (
    <form
      className="review-ask"
      onSubmit={(e) => {
        e.preventDefault()
        const text = String(new FormData(e.currentTarget).get('guess') ?? '').trim()
        if (text === '' && props.blind) {
          setMissing(true)
          field.current?.focus()
        } else props.onGuess(text)
      }}
    >
      <input
        ref={field}
        name="guess"
        className="label-field"
        aria-label="Your guess"
        aria-describedby="guess-hint"
        maxLength={500}
        autoComplete="off"
        placeholder="What do these examples share?"
        onKeyDown={(e) => e.key === 'Escape' && e.currentTarget.blur()}
      />
      <div className="review-actions">
        <button type="submit" className="primary">
          show labels <kbd>Enter</kbd>
        </button>
        <button type="button" onClick={props.onSkip}>
          skip <kbd>x</kbd>
        </button>
        <span id="guess-hint" className="quiet" role="status">
          {missing
            ? 'A blind review needs a guess. Write one, or skip this latent.'
            : props.blind
              ? 'Guess before you see a label.'
              : 'Or leave it empty.'}
          <span className="only-keys"> Esc leaves the field, for the keys.</span>
        </span>
      </div>
    </form>
  )
}

/** A row of buttons with their keys; it takes the focus, so that keys work and screen readers are where things happen. */
function Actions(props: {
  name: string
  actions: readonly (readonly [key: string, name: string, act: () => void])[]
}) {
  const group = useRef<HTMLFieldSetElement>(null)
  useEffect(() => group.current?.focus({ preventScroll: true }), [])
  return (
    <fieldset ref={group} className="review-actions" tabIndex={-1}>
      <legend className={props.name === 'Decide' ? 'hidden' : 'quiet'}>{props.name}</legend>
      {props.actions.map(([key, name, act]) => (
        <button key={name} type="button" onClick={act}>
          {name} <kbd>{key}</kbd>
        </button>
      ))}
    </fieldset>
  )
}
