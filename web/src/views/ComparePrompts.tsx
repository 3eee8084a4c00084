/** Two prompts side by side: what reasoning, a word or an order of words changes in every layer. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useCallback, useState } from 'react'
import { workspaceQuery } from '../api/queries.ts'
import { type BoardPlace, CompareBoard } from '../parts/CompareBoard.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { SuiteChoice } from '../parts/SuiteChoice.tsx'
import { useAddressed } from '../state/addressed.ts'
import { promptsQuery } from '../state/compareQueries.ts'
import type { CompareState } from '../state/urlState.ts'

/** Both texts together; longer ones are compared, but are not in the link. */
const longestPairInUrl = 3_000

/** Pairs to begin with. */
const examples = [
  {
    name: 'Chain of thought',
    a: 'Tom had three apples. He bought two more and gave one away. How many apples has he now? He has',
    b: 'Tom had three apples. He bought two more and gave one away. How many apples has he now? Step by step: three and two are five, and five less one is four. He has',
  },
  {
    name: 'One word',
    a: 'The king rode out of the castle, and the people came to see him.',
    b: 'The queen rode out of the castle, and the people came to see her.',
  },
  {
    name: 'Another kind of text',
    a: 'Once upon a time there was a river, and in the river lived an old',
    b: 'In 1921 a survey of the river was made, and in the river lived an old',
  },
] as const

/** The tab of prompts. */
export function ComparePrompts() {
  const search = useSearch({ from: '/compare' })
  const navigate = useNavigate({ from: '/compare' })
  const { data: workspace } = useQuery(workspaceQuery)
  const [long, setLong] = useState<{ a: string; b: string }>()
  const trained = workspace?.suites.filter(({ saes }) => saes.length > 0) ?? []
  const suite = search.suite ?? trained[0]?.name
  const a = long?.a ?? search.a ?? examples[0].a
  const b = long?.b ?? search.b ?? examples[0].b
  const result = useQuery(promptsQuery(a, b, suite, search.dense === 'shown'))
  const update = useCallback(
    (change: (old: CompareState) => CompareState) =>
      void navigate({ search: change, replace: true, resetScroll: false }),
    [navigate],
  )
  const [place, setPlace] = useAddressed<BoardPlace>(placeOf(search), (next) =>
    update(({ at, latent, ...old }) => ({ ...old, tab: 'prompts', ...next })),
  )
  const compare = (texts: { a: string; b: string }) => {
    const isLong = texts.a.length + texts.b.length > longestPairInUrl
    setLong(isLong ? texts : undefined)
    void navigate({
      search: ({ a, b, at, latent, ...old }) => ({
        ...old,
        tab: 'prompts',
        ...(isLong ? {} : texts),
      }),
    })
  }
  return (
    <>
      <p className="lead">
        Two texts go through the same model. Tokens that both have are set beside each other; the
        darker a cell, the more its layer makes something else of the same token. Press a cell to
        see which latents changed there.
      </p>
      <Prompts
        key={`${a}\n${b}`}
        a={a}
        b={b}
        busy={result.isFetching}
        isLong={long !== undefined}
        dense={search.dense === 'shown'}
        onDense={(shown) =>
          update(({ dense, ...old }) => (shown ? { ...old, dense: 'shown' } : old))
        }
        suites={trained.map(({ name }) => name)}
        suite={suite}
        onSuite={(name) => update(({ at, latent, ...old }) => ({ ...old, suite: name }))}
        onCompare={compare}
      />
      {workspace && suite === undefined && (
        <Notice>
          The workspace holds no suite yet. <code>hooke demo</code> makes one from the bundled
          model.
        </Notice>
      )}
      {result.error && <Failure error={result.error} onRetry={() => void result.refetch()} />}
      {result.data ? (
        <div data-busy={result.isPlaceholderData || undefined} className="comparison">
          <CompareBoard
            data={result.data}
            names={{ a: 'A', b: 'B' }}
            place={place}
            onPlace={setPlace}
          />
        </div>
      ) : (
        !result.error &&
        suite !== undefined && <div className="instrument waiting" aria-busy="true" />
      )}
    </>
  )
}

/** Where one looks, as the address says. */
export const placeOf = ({ at, latent }: CompareState): BoardPlace => ({
  ...(at === undefined ? {} : { at }),
  ...(latent === undefined ? {} : { latent }),
})

function Prompts(props: {
  a: string
  b: string
  busy: boolean
  isLong: boolean
  dense: boolean
  onDense: (shown: boolean) => void
  suites: readonly string[]
  suite: string | undefined
  onSuite: (name: string) => void
  onCompare: (texts: { a: string; b: string }) => void
}) {
  const [a, setA] = useState(props.a)
  const [b, setB] = useState(props.b)
  const isReady = a.trim() !== '' && b.trim() !== ''
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (isReady) props.onCompare({ a, b })
  }
  const box = (name: 'A' | 'B', value: string, set: (text: string) => void) => (
    <label className={`prompt side-${name.toLowerCase()}`}>
      <span>{name}</span>
      <textarea
        aria-label={`Prompt ${name}`}
        value={value}
        rows={3}
        maxLength={20_000}
        spellCheck={false}
        onChange={(e) => set(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && !e.shiftKey) submit(e)
          if (e.key === 'Escape') e.currentTarget.blur()
        }}
      />
    </label>
  )
  return (
    <form className="prompts" onSubmit={submit}>
      <div className="prompt-pair">
        {box('A', a, setA)}
        {box('B', b, setB)}
      </div>
      <div className="sentence-actions">
        <button type="submit" className="primary" disabled={!isReady}>
          Compare
        </button>
        <button type="button" onClick={() => props.onCompare({ a: b, b: a })} disabled={!isReady}>
          Swap
        </button>
        <SuiteChoice {...props} />
        <label className="check">
          <input
            type="checkbox"
            checked={props.dense}
            onChange={(e) => props.onDense(e.target.checked)}
          />
          dense latents
        </label>
        <span className="quiet">Try:</span>
        {examples.map(({ name, ...texts }) => (
          <button
            key={name}
            type="button"
            className="action"
            onClick={() => props.onCompare(texts)}
          >
            {name}
          </button>
        ))}
        <span className="quiet" role="status">
          {props.busy
            ? 'comparing…'
            : props.isLong
              ? 'too long for the address: not in the link'
              : ''}
        </span>
      </div>
    </form>
  )
}
