/** One box for every way to find a latent: words, a text, a direction, a contrast; results as one types. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useRef } from 'react'
import { wordLatentsQuery, workspaceQuery } from '../api/queries.ts'
import { searchScopeQuery } from '../api/searchQueries.ts'
import { percent } from '../format/numbers.ts'
import { type ListedLatent, wordsOf } from '../format/wordLatents.ts'
import { LatentLink, LikeLink, SteerLink } from '../parts/LatentLink.tsx'
import { SearchByContrast } from '../parts/SearchByContrast.tsx'
import { SearchByText } from '../parts/SearchByText.tsx'
import { SearchByVector } from '../parts/SearchByVector.tsx'
import { type HitCursor, SearchByWords } from '../parts/SearchByWords.tsx'
import { SearchFilters } from '../parts/SearchFilters.tsx'
import { useAddressed } from '../state/addressed.ts'
import { useDebounced } from '../state/debounced.ts'
import { readFilters, type SearchMode, type SearchState, searchModes } from '../state/urlState.ts'

const modeWords: Record<SearchMode, string> = {
  all: 'words',
  label: 'labels',
  token: 'tokens it fires on',
  logit: 'tokens it raises',
  meaning: 'meaning',
  text: 'a text',
  vector: 'a direction',
  contrast: 'texts against texts',
}
const placeholders: Partial<Record<SearchMode, string>> = {
  meaning: 'what the label should mean',
  text: 'A text: which latents does it activate?',
  vector: '0.12, -0.03, …',
}

/** The search view. */
export function Search() {
  const search = useSearch({ from: '/search' })
  const navigate = useNavigate({ from: '/search' })
  const change = (next: { [K in keyof SearchState]?: SearchState[K] | undefined }) =>
    void navigate({
      search: (old) => ({ ...old, ...next }) as SearchState,
      replace: true,
      resetScroll: false,
    })
  const [text, setText] = useAddressed(search.q ?? '', (next) =>
    // Chosen tokens are those of the text as it was.
    change({ q: next || undefined, tokens: undefined }),
  )
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null)
  const cursor = useRef<HitCursor>(null)
  const mode = search.kind ?? 'all'
  const isLong = mode === 'text' || mode === 'vector'
  const settled = useDebounced(text, isLong ? 250 : 80)
  const filters = readFilters(search)
  const { data: scope } = useQuery(searchScopeQuery)

  // biome-ignore lint/correctness/useExhaustiveDependencies: another mode has another box
  useEffect(() => field.current?.focus(), [mode])
  const choose = (next: SearchMode) =>
    change({
      kind: next === 'all' ? undefined : next,
      ...(next === 'vector' ? {} : { like: undefined }),
    })
  const onKeyDown = (event: KeyboardEvent) => {
    const digit = event.altKey ? /^Digit(\d)$/.exec(event.code)?.[1] : undefined
    const asked = digit === undefined ? undefined : searchModes[Number(digit) - 1]
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (asked) choose(asked)
    else if (event.key === 'Escape') field.current?.blur()
    else if (event.target !== field.current || isLong) return
    else if (step !== 0) cursor.current?.move(step)
    else if (event.key === 'Enter') cursor.current?.open(text)
    else return
    event.preventDefault()
  }
  const box = {
    ref: field,
    'data-search-field': true,
    'aria-label': 'Search latents',
    placeholder: placeholders[mode] ?? 'a word of a label, or a token',
    value: text,
    autoComplete: 'off',
    spellCheck: false,
    onChange: (e: { target: { value: string } }) => setText(e.target.value),
  }
  return (
    <main className="page search" onKeyDown={onKeyDown}>
      <h1 className="hidden">Search</h1>
      {mode === 'contrast' || (mode === 'vector' && search.like) ? null : isLong ? (
        <textarea {...box} rows={2} maxLength={mode === 'text' ? 20_000 : 200_000} />
      ) : (
        <input {...box} type="search" className="search-field" maxLength={1000} />
      )}
      <div className="search-filters">
        <fieldset className="chips">
          <legend className="hidden">What to search by</legend>
          {searchModes.map((value) => (
            <label key={value}>
              <input
                type="radio"
                name="mode"
                checked={mode === value}
                onChange={() => choose(value)}
              />
              <span>{modeWords[value]}</span>
            </label>
          ))}
        </fieldset>
        <SearchFilters filters={filters} onChange={change} />
      </div>
      {mode === 'text' ? (
        <SearchByText text={settled} filters={filters} state={search} onChange={change} />
      ) : mode === 'vector' ? (
        <SearchByVector
          text={settled}
          like={search.like}
          filters={filters}
          onForget={() => change({ like: undefined })}
        />
      ) : mode === 'contrast' ? (
        <SearchByContrast filters={filters} state={search} onChange={change} />
      ) : mode === 'meaning' && !scope?.meaning ? (
        scope && (
          <p className="quiet empty">
            Search is by letters until labels are embedded:{' '}
            <code>hooke embed SUITE --model FOLDER</code>, with a sentence encoder on this machine
            or an embeddings API.
          </p>
        )
      ) : (
        <SearchByWords
          ref={cursor}
          query={{ ...filters, q: settled, kind: mode }}
          onOpen={({ sae, index }) =>
            void navigate({ to: '/latent/$sae/$index', params: { sae, index: String(index) } })
          }
        >
          <p className="quiet empty">
            {mode === 'meaning' && scope?.meaning
              ? `By the embeddings of ${scope.meaning.model}.`
              : `By letters: the words of labels, the tokens latents fire on, the tokens they make more likely${
                  scope && !scope.meaning ? '; labels are not embedded, so not by meaning' : ''
                }.`}{' '}
            ↑ and ↓ choose, Enter opens; Alt and a digit changes what is searched by.
          </p>
          <Beginnings onWord={setText} />
        </SearchByWords>
      )}
    </main>
  )
}

/** Before a query: latents of this workspace that explain themselves, and the words they fire on to search for. */
function Beginnings(props: { onWord: (word: string) => void }) {
  const { data: workspace } = useQuery(workspaceQuery)
  const { data } = useQuery(wordLatentsQuery(workspace?.suites ?? []))
  if (!data || data.length === 0) return null
  return (
    <section className="beginnings" aria-label="To begin with">
      <h2>To begin with: latents of this workspace that fire on a class of words</h2>
      <ol className="hits">
        {data.map((latent) => (
          <Beginning
            key={`${latent.sae}/${latent.index}`}
            latent={latent}
            onWord={(word) => {
              props.onWord(word)
              document.querySelector<HTMLElement>('[data-search-field]')?.focus()
            }}
          />
        ))}
      </ol>
    </section>
  )
}

function Beginning(props: { latent: ListedLatent; onWord: (word: string) => void }) {
  const { latent } = props
  return (
    <li className="hit">
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
      <span className="hit-actions">
        <LikeLink sae={latent.sae} index={latent.index} />
        <SteerLink sae={latent.sae} index={latent.index} />
      </span>
    </li>
  )
}
