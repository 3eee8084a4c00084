/** One box over labels, tokens and raised logits; results as one types. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import type { SearchKind, SearchResult } from '../../../src/api/index.ts'
import { searchQuery, wordLatentsQuery, workspaceQuery } from '../api/queries.ts'
import { siteName, visiblePiece } from '../format/names.ts'
import { count, percent } from '../format/numbers.ts'
import { type ListedLatent, wordsOf } from '../format/wordLatents.ts'
import { LatentLink, SteerLink } from '../parts/LatentLink.tsx'
import { Failure } from '../parts/Notice.tsx'
import { Term } from '../parts/Term.tsx'
import { useAddressed } from '../state/addressed.ts'
import { useDebounced } from '../state/debounced.ts'
import { searchKinds } from '../state/urlState.ts'

const kindWords: Record<SearchKind, string> = {
  all: 'all',
  label: 'labels',
  token: 'tokens it fires on',
  logit: 'tokens it raises',
}
const matchedWords = { label: 'label', token: 'fires on', logit: 'raises' } as const

/** The search view. */
export function Search() {
  const search = useSearch({ from: '/search' })
  const navigate = useNavigate({ from: '/search' })
  const [text, setText] = useAddressed(
    search.q ?? '',
    (next) =>
      void navigate({
        search: ({ q, ...old }) => (next ? { ...old, q: next } : old),
        replace: true,
        resetScroll: false,
      }),
  )
  const [chosen, setChosen] = useState(0)
  const field = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLOListElement>(null)
  const settled = useDebounced(text, 120)
  const { data: workspace } = useQuery(workspaceQuery)
  const kind = search.kind ?? 'all'
  const result = useInfiniteQuery(searchQuery(settled, kind, search.sae))

  useEffect(() => field.current?.focus(), [])
  const asked = text.trim() !== ''
  const hits = asked ? (result.data?.pages.flatMap((p) => p.hits) ?? []) : []
  const first = result.data?.pages[0]
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && hits.length > 0) {
      const next = Math.max(0, Math.min(hits.length - 1, chosen + step))
      setChosen(next)
      list.current?.children[next]?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      const hit = hits[Math.min(chosen, hits.length - 1)]
      if (hit)
        void navigate({
          to: '/latent/$sae/$index',
          params: { sae: hit.sae, index: String(hit.index) },
        })
    } else if (event.key === 'Escape') field.current?.blur()
    else return
    event.preventDefault()
  }
  const saes = workspace?.suites.flatMap((s) => s.saes) ?? []
  const begin = useQuery(wordLatentsQuery(workspace?.suites ?? []))
  return (
    <main className="page search">
      <h1 className="hidden">Search</h1>
      <input
        ref={field}
        data-search-field
        type="search"
        className="search-field"
        aria-label="Search latents"
        aria-controls="hits"
        placeholder="a word of a label, or a token"
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={(e) => {
          setText(e.target.value)
          setChosen(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div className="search-filters">
        <fieldset className="chips">
          <legend className="hidden">What to search</legend>
          {searchKinds.map((value) => (
            <label key={value}>
              <input
                type="radio"
                name="kind"
                checked={kind === value}
                onChange={() => {
                  setChosen(0)
                  void navigate({
                    search: ({ kind: _, ...old }) =>
                      value === 'all' ? old : { ...old, kind: value },
                    replace: true,
                  })
                }}
              />
              <span>{kindWords[value]}</span>
            </label>
          ))}
        </fieldset>
        <select
          aria-label="In which dictionary"
          value={search.sae ?? ''}
          onChange={(e) =>
            void navigate({
              search: ({ sae, ...old }) => (e.target.value ? { ...old, sae: e.target.value } : old),
              replace: true,
            })
          }
        >
          <option value="">every layer</option>
          {saes.map((sae) => (
            <option key={sae.id} value={sae.id}>
              {siteName(sae.hook)}, {count(sae.d_sae)} latents
            </option>
          ))}
        </select>
        <span className="quiet search-count" role="status">
          {asked &&
            first &&
            `${count(first.n_total)} found in ${first.took_ms < 1 ? 'under 1' : count(first.took_ms)} ms`}
        </span>
      </div>
      {result.error && asked && (
        <Failure error={result.error} onRetry={() => void result.refetch()} />
      )}
      {hits.length > 0 && (
        <p className="hit-head quiet">
          <Term of="density">density</Term>
        </p>
      )}
      <ol className="hits" id="hits" ref={list}>
        {hits.map((hit, i) => (
          <HitRow key={`${hit.sae}/${hit.index}/${hit.matched}`} hit={hit} chosen={i === chosen} />
        ))}
      </ol>
      {asked && result.hasNextPage && (
        <button type="button" onClick={() => void result.fetchNextPage()}>
          More
        </button>
      )}
      {asked && first && hits.length === 0 && !result.isFetching && (
        <p className="quiet empty">
          Nothing for “<bdi>{settled}</bdi>”.{' '}
          {kind === 'all' ? 'Try a shorter word, or a token as the model writes it.' : 'Try all.'}
        </p>
      )}
      {!asked && (
        <p className="quiet empty">
          Latents are found by the words of their labels, by the tokens they fire on, and by the
          tokens they make more likely. ↑ and ↓ choose, Enter opens.
        </p>
      )}
      {!asked && begin.data && begin.data.length > 0 && (
        <Beginnings
          latents={begin.data}
          onWord={(word) => {
            setText(word)
            setChosen(0)
            field.current?.focus()
          }}
        />
      )}
    </main>
  )
}

/** Before a query: latents of this workspace that explain themselves, and the words they fire on to search for. */
function Beginnings(props: { latents: readonly ListedLatent[]; onWord: (word: string) => void }) {
  return (
    <section className="beginnings" aria-label="To begin with">
      <h2>To begin with: latents of this workspace that fire on a class of words</h2>
      <ol className="hits">
        {props.latents.map((latent) => (
          <li key={`${latent.sae}/${latent.index}`} className="hit">
            <LatentLink chip={latent} />
            <span className="hit-why">
              {wordsOf(latent).map((word) => (
                <button
                  key={word}
                  type="button"
                  className="action"
                  aria-label={`Search for ${word}`}
                  onClick={() => props.onWord(word)}
                >
                  <bdi className="piece">{word}</bdi>
                </button>
              ))}
            </span>
            <span className="value">{percent(latent.density)}</span>
            <SteerLink sae={latent.sae} index={latent.index} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function HitRow(props: { hit: SearchResult['hits'][number]; chosen: boolean }) {
  const { hit, chosen } = props
  return (
    <li className="hit" aria-current={chosen || undefined}>
      <LatentLink chip={hit} />
      <span className="hit-why quiet">
        {hit.matched !== 'label' && (
          <>
            {matchedWords[hit.matched]} <bdi className="piece">{visiblePiece(hit.snippet)}</bdi>
          </>
        )}
      </span>
      <span className="value">{percent(hit.density)}</span>
      <SteerLink sae={hit.sae} index={hit.index} />
    </li>
  )
}
