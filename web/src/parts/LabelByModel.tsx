/** Labels by the server's language model, ordered from the page: how it is shown the latents, what that costs, the run. */
import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { ExplainingOffers } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { explainingOffersQuery } from '../api/queries.ts'
import { count, dollars } from '../format/numbers.ts'
import { JudgeWords, Opening, Order, type Scope, useAmount } from './LabelOrder.tsx'
import { Failure } from './Notice.tsx'

type Offer = ExplainingOffers['offers'][number]

/** What the language model is shown. */
const shown = {
  pairs: 'every token of its examples with its activation',
  contexts: 'its examples with marked tokens, what follows them, the tokens it raises',
  contrastive: 'the same beside near misses: texts that look alike, on which it is silent',
} as const satisfies Record<Offer['explainer'], string>

/** A line that opens to the ways of labelling. */
export function LabelByModel(props: Scope) {
  const title =
    props.sae === undefined
      ? 'Ask a language model for labels of this suite'
      : 'Ask a language model for a label'
  return <Opening title={title}>{() => <Explainers {...props} />}</Opening>
}

function Explainers(scope: Scope) {
  const { asked, field } = useAmount(scope, 'those that fire most')
  const { data, error, refetch } = useQuery(explainingOffersQuery(asked))
  const [explainer, setExplainer] = useState<Offer['explainer']>('contexts')
  const name = useId()
  if (error) return <Failure error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="quiet">Looking what it would cost…</p>
  const { judge, offers } = data
  const offer = offers.find((one) => one.explainer === explainer)
  if (!judge || !offer)
    return (
      <p className="quiet">
        This server knows no language model. Start <code>hooke serve</code> with{' '}
        <code>--provider</code>, or with a provider’s key in its environment.
      </p>
    )
  return (
    <>
      <p className="quiet">
        It is shown half of the examples; the other half is kept for tests of its label.{' '}
        <JudgeWords judge={judge} />
      </p>
      {field}
      <ul>
        {offers.map((one) => (
          <li key={one.explainer}>
            <input
              id={`${name}${one.explainer}`}
              type="radio"
              name={name}
              checked={one.explainer === explainer}
              onChange={() => setExplainer(one.explainer)}
            />
            <label htmlFor={`${name}${one.explainer}`}>
              {one.explainer} <small>{shown[one.explainer]}</small>
            </label>
            <small>{extentOf(one)}</small>
          </li>
        ))}
      </ul>
      <Order
        name="Ask"
        price={extentOf(offer)}
        cost={offer.cost ?? 0}
        max_cost={judge.max_cost}
        disabled={offer.n_latents === 0}
        order={() => api.explainLatents({ ...asked, explainer })}
      />
    </>
  )
}

function extentOf({ n_latents, cost }: Offer): string {
  if (n_latents === 0) return 'it has labelled them all so'
  const latents = `${count(n_latents)} ${n_latents === 1 ? 'latent' : 'latents'}`
  return `${latents}, ${cost === undefined ? 'price not known' : `about ${dollars(cost)}`}`
}
