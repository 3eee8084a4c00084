/** The latents of one dictionary, sorted, a page at a time. */
import { useInfiniteQuery } from '@tanstack/react-query'
import type { SaeSummary } from '../../../src/api/index.ts'
import type { LatentOrder } from '../api/client.ts'
import { latentsQuery } from '../api/queries.ts'
import { siteName, visiblePiece } from '../format/names.ts'
import { count, percent, short } from '../format/numbers.ts'
import { LatentLink, SteerLink } from './LatentLink.tsx'
import { Failure } from './Notice.tsx'
import { Term } from './Term.tsx'

const sorts: readonly (readonly [LatentOrder['sort'], LatentOrder['order'], string])[] = [
  ['index', 'asc', 'by number'],
  ['density', 'desc', 'most active'],
  ['density', 'asc', 'rarest'],
  ['max_act', 'desc', 'strongest'],
]

/** The list; what it is sorted by is the caller's state. */
export function LatentTable(props: {
  sae: SaeSummary
  by: LatentOrder
  onOrder: (by: LatentOrder) => void
}) {
  const { sae, by } = props
  const indexed = sae.state === 'indexed' || sae.state === 'labelled'
  const list = useInfiniteQuery({ ...latentsQuery(sae.id, by), enabled: indexed })
  const latents = list.data?.pages.flatMap((p) => p.latents) ?? []
  return (
    <section className="latent-list" aria-label={`Latents of ${siteName(sae.hook)}`}>
      <header className="section-head">
        <h2>
          Latents of {siteName(sae.hook)}
          <span className="quiet"> {count(list.data?.pages[0]?.n_total ?? sae.d_sae)}</span>
        </h2>
        <fieldset className="chips">
          <legend className="hidden">Order</legend>
          {sorts.map(([sort, order, words]) => (
            <label key={words}>
              <input
                type="radio"
                name="order"
                checked={by.sort === sort && by.order === order}
                onChange={() => props.onOrder({ sort, order })}
              />
              <span>{words}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {list.error && <Failure error={list.error} onRetry={() => void list.refetch()} />}
      {!indexed && (
        <p className="quiet">They can be seen once they are indexed. Now: {sae.state}.</p>
      )}
      {latents.length > 0 && (
        <p className="hit-head quiet">
          <Term of="density">density</Term>
          <span className="only-wide">
            <Term of="max_act">maximum</Term>
          </span>
        </p>
      )}
      <ol className="hits">
        {latents.map((latent) => (
          <li key={latent.index} className="hit">
            <LatentLink chip={latent} />
            <span className="hit-why quiet">
              {latent.top_tokens.slice(0, 5).map((t, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two ids may share one piece
                <bdi key={i} className="piece">
                  {visiblePiece(t).trim() || '␣'}
                </bdi>
              ))}
            </span>
            <span className="value">{percent(latent.density)}</span>
            <span className="value only-wide">{short(latent.max_act)}</span>
            <SteerLink sae={latent.sae} index={latent.index} />
          </li>
        ))}
      </ol>
      {list.hasNextPage && (
        <button
          type="button"
          disabled={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          More
        </button>
      )}
    </section>
  )
}
