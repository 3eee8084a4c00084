/** Search by words: what labels, tokens or meanings match, as one types. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { type ReactNode, useImperativeHandle, useState } from 'react'
import type { SearchResult } from '../../../src/api/index.ts'
import { searchQuery, type WordSearch } from '../api/searchQueries.ts'
import { visiblePiece } from '../format/names.ts'
import { count, fixed } from '../format/numbers.ts'
import { useWhenReady } from '../state/whenReady.ts'
import { Failure } from './Notice.tsx'
import { HitHead, HitRow } from './SearchHits.tsx'
import { Term } from './Term.tsx'

type Hit = SearchResult['hits'][number]
const matchedWords = { token: 'fires on', logit: 'raises' } as const

/** How the box moves through the hits below it, and opens one: once they are those of what was typed. */
export type HitCursor = { move: (step: number) => void; open: (typed: string) => void }

/** The hits for a query of words; `ref` moves through them. */
export function SearchByWords(props: {
  query: WordSearch
  ref: React.Ref<HitCursor>
  onOpen: (hit: Hit) => void
  /** What stands there while nothing is asked. */
  children: ReactNode
}) {
  const { query } = props
  const [place, setPlace] = useState({ of: query.q, at: 0 })
  const { data, error, refetch, isFetching, isPlaceholderData, hasNextPage, fetchNextPage } =
    useInfiniteQuery(searchQuery(query))
  const { q, kind: _, ...filters } = query
  const asked = q.trim() !== ''
  const isFiltered = Object.values(filters).some((value) => value !== undefined)
  const hits = asked ? (data?.pages.flatMap((page) => page.hits) ?? []) : []
  const first = data?.pages[0]
  // Another query begins at its first hit.
  const chosen = place.of === query.q ? Math.min(place.at, hits.length - 1) : 0
  const open = useWhenReady(query.q, data !== undefined && !isPlaceholderData, () => {
    const hit = hits[chosen]
    if (hit) props.onOpen(hit)
  })
  useImperativeHandle(props.ref, () => ({
    move(step) {
      const at = Math.max(0, Math.min(hits.length - 1, chosen + step))
      setPlace({ of: query.q, at })
      document.getElementById('hits')?.children[at]?.scrollIntoView({ block: 'nearest' })
    },
    open,
  }))
  if (!asked) return props.children
  return (
    <>
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {!error && first && (
        <HitHead {...(query.kind === 'meaning' ? { value: <Term of="cosine">cosine</Term> } : {})}>
          <Found first={first} />
        </HitHead>
      )}
      {!error && (
        <ol className="hits" id="hits">
          {hits.map((hit, i) => (
            <HitRow
              key={`${hit.sae}/${hit.index}`}
              hit={hit}
              chosen={i === chosen}
              why={<Why hit={hit} />}
              {...(hit.matched === 'meaning' ? { value: fixed(hit.rank, 2) } : {})}
            />
          ))}
        </ol>
      )}
      {hasNextPage && !error && (
        <button type="button" onClick={() => void fetchNextPage()}>
          More
        </button>
      )}
      {first && hits.length === 0 && !isFetching && !error && (
        <p className="quiet empty">
          Nothing for “<bdi>{query.q}</bdi>”
          {first.more ? ' in the part that was looked through' : ''}.{' '}
          {isFiltered
            ? 'Only some latents are looked among: press “all latents” for the rest.'
            : query.kind === 'all'
              ? 'Try a shorter word, or a token as the model writes it.'
              : 'Try “words”: labels and tokens together.'}
        </p>
      )}
    </>
  )
}

/** How many there are and how long it took; where the query was read otherwise, how. */
function Found(props: { first: SearchResult }) {
  const { n_total, more, took_ms, read_as } = props.first
  return (
    <>
      {read_as !== undefined && (
        <>
          Spelt so there is nothing; shown for “<bdi>{read_as}</bdi>”.{' '}
        </>
      )}
      {more ? `more than ${count(n_total)}` : count(n_total)} found in{' '}
      {took_ms < 1 ? 'under 1' : count(took_ms)} ms
    </>
  )
}

function Why(props: { hit: Hit }) {
  const { matched, snippet, label } = props.hit
  if (matched === 'token' || matched === 'logit')
    return (
      <>
        {matchedWords[matched]} <bdi className="piece">{visiblePiece(snippet)}</bdi>
      </>
    )
  // Another label of the latent matched than the one that is shown.
  return snippet === label ? null : (
    <>
      also labelled <bdi>{snippet}</bdi>
    </>
  )
}
