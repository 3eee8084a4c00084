/** The latents of one dictionary, sorted: a list as long as the dictionary is wide, of which only what is in sight is fetched and drawn. */
import { useQueries } from '@tanstack/react-query'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState } from 'react'
import type { LatentList, SaeSummary } from '../../../src/api/index.ts'
import { type LatentOrder, latentPage, latentPageQuery } from '../api/queries.ts'
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

const rowHeight_px = 34

/** The list; what it is sorted by is the caller's state. */
export function LatentTable(props: {
  sae: SaeSummary
  by: LatentOrder
  onOrder: (by: LatentOrder) => void
}) {
  const { sae, by } = props
  const indexed = sae.state === 'indexed' || sae.state === 'labelled'
  return (
    <section className="latent-list" aria-label={`Latents of ${siteName(sae.hook)}`}>
      <header className="section-head">
        <h2>
          Latents of {siteName(sae.hook)}
          <span className="quiet"> {count(sae.d_sae)}</span>
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
      {indexed ? (
        <Rows key={`${sae.id} ${by.sort} ${by.order}`} sae={sae} by={by} />
      ) : (
        <p className="quiet">They can be seen once they are indexed. Now: {sae.state}.</p>
      )}
    </section>
  )
}

function Rows({ sae, by }: { sae: SaeSummary; by: LatentOrder }) {
  const list = useRef<HTMLOListElement>(null)
  const [above, setAbove] = useState(0)
  // What stands above the list may still grow: curves, plots.
  useLayoutEffect(() => {
    const measure = () => {
      const top = list.current?.getBoundingClientRect().top
      if (top !== undefined) setAbove(Math.round(top + scrollY))
    }
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(document.body)
    return () => watch.disconnect()
  }, [])
  const virtual = useWindowVirtualizer({
    count: sae.d_sae,
    estimateSize: () => rowHeight_px,
    overscan: 8,
    scrollMargin: above,
    initialRect: { width: 1000, height: 700 },
  })
  const items = virtual.getVirtualItems()
  const pages = [...new Set(items.map(({ index }) => Math.floor(index / latentPage)))]
  const answers = useQueries({ queries: pages.map((page) => latentPageQuery(sae.id, by, page)) })
  const failed = answers.find(({ error }) => error)
  const at = (index: number) =>
    answers[pages.indexOf(Math.floor(index / latentPage))]?.data?.latents[index % latentPage]
  return (
    <>
      {failed && <Failure error={failed.error} onRetry={() => void failed.refetch()} />}
      <p className="hit-head quiet">
        <Term of="density">density</Term>
        <span className="only-wide">
          <Term of="max_act">maximum</Term>
        </span>
      </p>
      <ol
        ref={list}
        className="hits long"
        aria-busy={answers.some(({ isPending }) => isPending) || undefined}
        style={{ blockSize: virtual.getTotalSize() }}
      >
        {items.map(({ index, start }) => {
          const latent = at(index)
          return (
            <li
              key={index}
              ref={virtual.measureElement}
              data-index={index}
              className="hit"
              aria-setsize={sae.d_sae}
              aria-posinset={index + 1}
              style={{ transform: `translateY(${start - above}px)` }}
            >
              {latent && <Row latent={latent} />}
            </li>
          )
        })}
      </ol>
    </>
  )
}

function Row({ latent }: { latent: LatentList['latents'][number] }) {
  return (
    <>
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
    </>
  )
}
