/** Tests of labels, ordered from the page: what each asks and costs, then the run with its progress. */
import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { ScoringOffers } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { scoringOffersQuery } from '../api/queries.ts'
import { count, dollars } from '../format/numbers.ts'
import { JudgeWords, Opening, Order, type Scope, useAmount } from './LabelOrder.tsx'
import { testQuestions } from './LabelScores.tsx'
import { Failure } from './Notice.tsx'

type Offer = ScoringOffers['offers'][number]

/** A line that opens to the tests. */
export function LabelTests(props: Scope) {
  const title = props.sae === undefined ? 'Test the labels of this suite' : 'Test its labels'
  return <Opening title={title}>{() => <Tests {...props} />}</Opening>
}

function Tests(scope: Scope) {
  const { asked, field } = useAmount(scope, 'those that fire most and whose labels disagree most')
  const { data, error, refetch } = useQuery(scoringOffersQuery(asked))
  const [chosen, setChosen] = useState<ReadonlySet<Offer['scorer']>>(new Set(['lexical']))
  if (error) return <Failure error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="quiet">Looking which tests there are…</p>
  const { judge, offers } = data
  const wanted = offers.filter((offer) => chosen.has(offer.scorer) && canBeOrdered(offer))
  const change = (scorer: Offer['scorer'], on: boolean) =>
    setChosen(new Set(on ? [...chosen, scorer] : [...chosen].filter((one) => one !== scorer)))
  return (
    <>
      <p className="quiet">
        A test holds a label against texts that its maker has not seen, half of which the latent
        fires in.{' '}
        {judge ? (
          <JudgeWords judge={judge} />
        ) : (
          <>
            This server knows no language model, so there are free tests only: of lexical labels by
            their own words, and by nearness where <code>hooke embed</code> has embedded the labels
            on this machine. For the others start <code>hooke serve</code> with{' '}
            <code>--provider</code>, or with a provider’s key in its environment.
          </>
        )}
      </p>
      {field}
      <ul>
        {offers.map((offer) => (
          <OfferLine
            key={offer.scorer}
            offer={offer}
            hasJudge={judge !== undefined}
            checked={chosen.has(offer.scorer)}
            onChange={(on) => change(offer.scorer, on)}
          />
        ))}
      </ul>
      <Order
        name="Test"
        price={priceOf(wanted)}
        cost={wanted.reduce((sum, { cost = 0 }) => sum + cost, 0)}
        max_cost={judge?.max_cost}
        disabled={wanted.length === 0}
        order={() => api.scoreLabels({ ...asked, scorers: wanted.map(({ scorer }) => scorer) })}
      />
    </>
  )
}

/** One test with its price. */
function OfferLine(props: {
  offer: Offer
  hasJudge: boolean
  checked: boolean
  onChange: (on: boolean) => void
}) {
  const { offer, hasJudge } = props
  const id = useId()
  const isPossible = canBeOrdered(offer)
  // That there is no language model is said once, above.
  const why = offer.absent !== undefined && hasJudge ? offer.absent : undefined
  return (
    <li className={isPossible ? undefined : 'quiet'}>
      <input
        id={id}
        type="checkbox"
        disabled={!isPossible}
        checked={props.checked && isPossible}
        onChange={(e) => props.onChange(e.target.checked)}
      />
      <label htmlFor={id}>
        {offer.scorer} <small>{testQuestions[offer.scorer]}</small>
      </label>
      <small>{why ?? extentOf(offer)}</small>
    </li>
  )
}

const canBeOrdered = ({ absent, n_labels }: Offer): boolean => absent === undefined && n_labels > 0

function extentOf({ n_labels, n_calls, cost, absent }: Offer): string {
  if (n_labels === 0) return 'nothing left to test'
  const labels = `${count(n_labels)} ${n_labels === 1 ? 'label' : 'labels'}`
  if (n_calls === 0) return `${labels}, free`
  const calls = `${labels}, about ${count(n_calls)} ${n_calls === 1 ? 'call' : 'calls'}`
  if (absent !== undefined) return calls
  return `${calls}, ${cost === undefined ? 'price not known' : dollars(cost)}`
}

function priceOf(wanted: readonly Offer[]): string {
  if (wanted.length === 0) return 'choose a test'
  const asking = wanted.filter(({ n_calls }) => n_calls > 0)
  if (asking.length === 0) return 'free'
  const known = asking.flatMap(({ cost }) => (cost === undefined ? [] : [cost]))
  if (known.length < asking.length) return 'price not known'
  return `about ${dollars(known.reduce((sum, cost) => sum + cost, 0))}`
}
