/** The review queue: one latent after the other, guessed first, then held against its labels and decided on. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type {
  NewReview,
  Review as Reviewed,
  ReviewItem,
  ReviewQueue,
} from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { keys, latentQuery, reviewQuery, unlabelledQuery, workspaceQuery } from '../api/queries.ts'
import { latentKey, latentName, parseLatentKey, saeName } from '../format/names.ts'
import { count } from '../format/numbers.ts'
import { Failure, Notice } from '../parts/Notice.tsx'
import { Agreements } from '../parts/ReviewAgreements.tsx'
import { ReviewFiles } from '../parts/ReviewFiles.tsx'
import { ReviewFilters } from '../parts/ReviewFilters.tsx'
import { ReviewLatent } from '../parts/ReviewLatent.tsx'
import { useKeys } from '../state/keys.ts'
import { useRemembered } from '../state/remembered.ts'
import type { ReviewState } from '../state/urlState.ts'

/** Fewer latents in hand than this, and the next ones are fetched. */
const low = 5

/** The review view. */
export function Review() {
  const search = useSearch({ from: '/review' })
  const navigate = useNavigate({ from: '/review' })
  const { data: workspace } = useQuery(workspaceQuery)
  const [reviewer, setReviewer] = useRemembered('author', 'me')
  const blind = search.blind === 'on'
  const suites = workspace?.suites ?? []
  const labelled = suites.find(({ saes }) => saes.some((s) => s.n_labelled > 0))
  const suite = search.suite ?? (labelled ?? suites[0])?.name
  const query = reviewQuery({
    ...{ suite, sae: search.sae, method: search.method, author: search.author },
    ...{ reviewer, blind },
  })
  const queue = useQuery({ ...query, enabled: workspace !== undefined })
  const change = (next: Partial<{ [K in keyof ReviewState]: ReviewState[K] | undefined }>) =>
    void navigate({
      search: (old) =>
        Object.fromEntries(
          Object.entries({ ...old, at: undefined, ...next }).filter(([, v]) => v !== undefined),
        ),
      replace: true,
      resetScroll: false,
    })
  const asked = parseLatentKey(search.at)
  const items = queue.data?.items ?? []
  const item = asked ?? items[0]
  const { last, error, isPending, decide, undo } = useDecisions({
    query,
    goTo: (at) => change({ at }),
  })
  useKeys({ u: () => last && undo(last) })
  usePrefetched(items.slice(0, 3), blind)
  const waiting = queue.data?.items.find((i) => i.sae === item?.sae && i.index === item?.index)
  return (
    <main className="page review">
      <header className="review-head">
        <h1>Review</h1>
        <p className="review-progress" role="status">
          {queue.data && (
            <>
              {count(queue.data.n_done)} done, {count(queue.data.n_left)} left
              <progress
                max={queue.data.n_done + queue.data.n_left || 1}
                value={queue.data.n_done}
                aria-label="Share of the latents that you have decided on"
              />
            </>
          )}
        </p>
        <p className="review-last quiet">
          {last && (
            <>
              {decisionWords[last.decision]} {saeName(last.sae).hook && latentAt(last)}{' '}
              <button type="button" className="action" onClick={() => undo(last)}>
                undo
              </button>{' '}
              <kbd>u</kbd>
            </>
          )}
        </p>
      </header>
      <ReviewFilters
        {...{ suites, suite, search, reviewer }}
        claimants={queue.data?.claimants ?? []}
        onChange={change}
        onReviewer={setReviewer}
      />
      {suite !== undefined && (
        <ReviewFiles suite={suite} saes={suites.find(({ name }) => name === suite)?.saes ?? []} />
      )}
      {queue.error && <Failure error={queue.error} onRetry={() => void queue.refetch()} />}
      {error && <Failure error={error} />}
      {item ? (
        <Item
          key={`${latentKey(item.sae, item.index)} ${blind}`}
          {...{ item, reviewer, isPending, waiting }}
          // One that was asked for was not drawn at random, and may have been seen.
          blind={blind && asked === undefined}
          measuring={blind}
          method={search.method}
          author={search.author}
          onDecide={decide}
        />
      ) : (
        queue.data && (
          <Notice action={<Link to="/suite">Look at the suite</Link>}>
            {queue.data.n_done > 0
              ? 'Nothing is left here: you have decided on every latent that has such a label.'
              : 'No latent here has such a label. Choose others above, or label the suite first (hooke label).'}
          </Notice>
        )
      )}
      <Agreements suite={suite} sae={search.sae} shown={blind} />
    </main>
  )
}

const decisionWords = {
  accept: 'Accepted',
  edit: 'Labelled',
  dispute: 'Disputed',
  skip: 'Skipped',
} as const

const latentAt = ({ sae, latent }: Reviewed) => latentName(saeName(sae).hook, latent)

function Item(props: {
  item: { sae: string; index: number }
  waiting: ReviewItem | undefined
  blind: boolean
  measuring: boolean
  reviewer: string
  isPending: boolean
  method: ReviewState['method'] | undefined
  author: string | undefined
  onDecide: (review: NewReview) => void
}) {
  const { sae, index } = props.item
  const {
    data: latent,
    error,
    refetch,
  } = useQuery(props.blind ? unlabelledQuery(sae, index) : latentQuery(sae, index))
  if (error) return <Failure error={error} onRetry={() => void refetch()} />
  if (!latent)
    return (
      <p className="review-waiting quiet" aria-busy="true">
        Fetching its examples.
      </p>
    )
  return <ReviewLatent {...props} latent={latent} />
}

/** Saves decisions and takes them back; the queue in hand loses what was decided, and is filled up when it runs low. */
function useDecisions(options: {
  query: ReturnType<typeof reviewQuery>
  goTo: (at: string | undefined) => void
}) {
  const { queryKey } = options.query
  const client = useQueryClient()
  const [done, setDone] = useState<readonly Reviewed[]>([])
  const save = useMutation({
    mutationFn: (review: NewReview) => api.saveReview(review),
    onSuccess: async (review) => {
      setDone((old) => [...old, review])
      const queue = client.setQueryData<ReviewQueue>(queryKey, (old) => old && without(old, review))
      if (queue && queue.items.length < low && queue.n_left > queue.items.length)
        await client.invalidateQueries({ queryKey })
      options.goTo(undefined)
    },
    onSettled: () => client.invalidateQueries({ queryKey: keys.agreement }),
  })
  const back = useMutation({
    mutationFn: (review: Reviewed) => api.undoReview({ id: review.id }),
    onSuccess: async (review) => {
      setDone((old) => old.filter(({ id }) => id !== review.id))
      await client.invalidateQueries({ queryKey: [...keys.latent, review.sae, review.latent] })
      options.goTo(latentKey(review.sae, review.latent))
      await client.invalidateQueries({ queryKey })
    },
    onSettled: () => client.invalidateQueries({ queryKey: keys.agreement }),
  })
  return {
    last: done.at(-1),
    error: save.error ?? back.error,
    isPending: save.isPending || back.isPending,
    decide: (review: NewReview) => save.mutate(review),
    undo: (review: Reviewed) => !back.isPending && back.mutate(review),
  }
}

const without = (queue: ReviewQueue, { sae, latent }: Reviewed): ReviewQueue => {
  const items = queue.items.filter((item) => item.sae !== sae || item.index !== latent)
  const n_gone = queue.items.length - items.length
  return { ...queue, items, n_left: queue.n_left - n_gone, n_done: queue.n_done + 1 }
}

/** Fetches what comes next; of a blind review without its labels. */
function usePrefetched(items: readonly { sae: string; index: number }[], blind: boolean): void {
  const client = useQueryClient()
  const names = items.map(({ sae, index }) => latentKey(sae, index)).join(' ')
  // biome-ignore lint/correctness/useExhaustiveDependencies: the names stand for the items
  useEffect(() => {
    for (const { sae, index } of items)
      void (blind
        ? client.prefetchQuery(unlabelledQuery(sae, index))
        : client.prefetchQuery(latentQuery(sae, index)))
  }, [client, names, blind])
}
