/** Tests of labels, ordered from the page: what each asks and costs, then the run with its progress. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { ScoringOffers } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { applyEvent } from '../api/live.ts'
import { scoringOffersQuery, workspaceQuery } from '../api/queries.ts'
import { count, dollars } from '../format/numbers.ts'
import { isUnderWay } from '../state/runs.ts'
import { siteIndexAt } from '../state/site.ts'
import { testQuestions } from './LabelScores.tsx'
import { Failure } from './Notice.tsx'
import { RunLine } from './RunLine.tsx'

type Offer = ScoringOffers['offers'][number]

/** Which labels: of a latent, or of the latents of a suite that come first. */
type Scope = { suite: string; sae?: string; index?: number }

/** Latents of each dictionary that can be chosen. */
const amounts = [20, 200, 1000] as const

/** A line that opens; nothing on a static copy, which has no server to test with. */
export function LabelTests(props: Scope) {
  const [open, setOpen] = useState(false)
  if (siteIndexAt !== undefined) return null
  return (
    <details className="label-tests" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        {props.sae === undefined ? 'Test the labels of this suite' : 'Test its labels'}
      </summary>
      {open && <Order {...props} />}
    </details>
  )
}

function Order(scope: Scope) {
  const client = useQueryClient()
  const [n_latents, setLatents] = useState<number>(amounts[1])
  const asked = scope.sae === undefined ? { ...scope, n_latents } : scope
  const { data, error, refetch } = useQuery(scoringOffersQuery(asked))
  const [chosen, setChosen] = useState<ReadonlySet<Offer['scorer']>>(new Set(['lexical']))
  const order = useMutation({
    mutationFn: (scorers: Offer['scorer'][]) => api.scoreLabels({ ...asked, scorers }),
    onSuccess: (run) => applyEvent(client, { type: 'run', run }),
  })
  const { data: workspace } = useQuery(workspaceQuery)
  const run = workspace?.runs.find(({ id }) => id === order.data?.id)
  const isBusy = order.isPending || (run !== undefined && isUnderWay(run))
  if (error) return <Failure error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="quiet">Looking which tests there are…</p>
  const wanted = data.offers.filter((offer) => chosen.has(offer.scorer) && canBeOrdered(offer))
  const cost = wanted.reduce((sum, offer) => sum + (offer.cost ?? 0), 0)
  const { judge } = data
  const isTooDear = judge?.max_cost !== undefined && cost > judge.max_cost
  return (
    <>
      <p className="quiet">
        A test holds a label against texts that its maker has not seen, half of which the latent
        fires in. <Judge judge={judge} />
      </p>
      {scope.sae === undefined && (
        <label className="label-tests-amount">
          <select value={n_latents} onChange={(e) => setLatents(Number(e.target.value))}>
            {amounts.map((n) => (
              <option key={n}>{n}</option>
            ))}
          </select>{' '}
          latents of each dictionary: those that fire most and whose labels disagree most
        </label>
      )}
      <ul>
        {data.offers.map((offer) => (
          <OfferLine
            key={offer.scorer}
            offer={offer}
            hasJudge={judge !== undefined}
            checked={chosen.has(offer.scorer)}
            onChange={(on) => {
              const next = new Set(chosen)
              if (on) next.add(offer.scorer)
              else next.delete(offer.scorer)
              setChosen(next)
            }}
          />
        ))}
      </ul>
      <p className="label-tests-order">
        <button
          type="button"
          className="primary"
          disabled={wanted.length === 0 || isTooDear || isBusy}
          onClick={() => order.mutate(wanted.map(({ scorer }) => scorer))}
        >
          {isBusy ? 'Testing…' : 'Test'}
        </button>
        <span className="quiet" role="status">
          {priceOf(wanted)}
          {isTooDear && `, more than a run may spend (${dollars(judge?.max_cost ?? 0)})`}
        </span>
      </p>
      {order.error && <Failure error={order.error} />}
      {run && <RunLine run={run} />}
    </>
  )
}

function Judge({ judge }: Pick<ScoringOffers, 'judge'>) {
  if (!judge)
    return (
      <>
        No language model is set up on this server, so lexical labels can be tested by their own
        words only, which is free. For the other tests start <code>hooke serve</code> with{' '}
        <code>--provider</code> or a provider’s key in its environment.
      </>
    )
  return (
    <>
      <bdi>{judge.model}</bdi> at <bdi>{judge.where}</bdi> is asked
      {judge.max_cost === undefined
        ? '; what it costs is not known here.'
        : `, for at most ${dollars(judge.max_cost)} a run.`}
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
  if (n_labels === 0) return 'no label lacks it'
  const labels = `${count(n_labels)} ${n_labels === 1 ? 'label' : 'labels'}`
  if (n_calls === 0) return `${labels}, free`
  const calls = `${labels}, about ${count(n_calls)} ${n_calls === 1 ? 'call' : 'calls'}`
  if (absent !== undefined) return calls
  return cost === undefined ? `${calls}, price not known` : `${calls}, ${dollars(cost)}`
}

function priceOf(wanted: readonly Offer[]): string {
  if (wanted.length === 0) return 'choose a test'
  const asking = wanted.filter(({ n_calls }) => n_calls > 0)
  if (asking.length === 0) return 'free'
  const known = asking.flatMap(({ cost }) => (cost === undefined ? [] : [cost]))
  if (known.length < asking.length) return 'price not known'
  return `about ${dollars(known.reduce((sum, cost) => sum + cost, 0))}`
}
