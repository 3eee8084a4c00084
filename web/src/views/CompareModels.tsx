/** A suite's model and another that was made from it: which layers and latents differ, on the same tokens. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useCallback, useMemo, useState } from 'react'
import type { CompareModelsRequest, ModelComparison } from '../../../src/api/index.ts'
import { workspaceQuery } from '../api/queries.ts'
import { count } from '../format/numbers.ts'
import { type BoardPlace, CompareBoard } from '../parts/CompareBoard.tsx'
import { CompareLayers } from '../parts/CompareLayers.tsx'
import { CompareShifts } from '../parts/CompareShifts.tsx'
import { Failure } from '../parts/Notice.tsx'
import { SuiteChoice } from '../parts/SuiteChoice.tsx'
import { useAddressed } from '../state/addressed.ts'
import { type ModelsProgress, modelsQuery } from '../state/compareQueries.ts'
import { type CompareState, longestInUrl } from '../state/urlState.ts'
import { placeOf } from './ComparePrompts.tsx'

const usualTokens = 4096

/** The tab of models. */
export function CompareModels() {
  const search = useSearch({ from: '/compare' })
  const navigate = useNavigate({ from: '/compare' })
  const client = useQueryClient()
  const { data: workspace } = useQuery(workspaceQuery)
  const [progress, setProgress] = useState<ModelsProgress>()
  const [longText, setLongText] = useState<string>()
  const trained = workspace?.suites.filter(({ saes }) => saes.length > 0) ?? []
  const suite = search.suite ?? trained[0]?.name
  const text = longText ?? search.text
  const request = useMemo((): CompareModelsRequest | undefined => {
    if (search.model === undefined || suite === undefined) return undefined
    const { model, tokens = usualTokens } = search
    return { suite, model, n_tokens: tokens, ...(text === undefined ? {} : { text }) }
  }, [search, suite, text])
  const query = modelsQuery(request, setProgress)
  const result = useQuery(query)
  const [place, setPlace] = useAddressed<BoardPlace>(
    placeOf(search),
    (next) =>
      void navigate({
        search: ({ at, latent, ...old }) => ({ ...old, tab: 'models', ...next }),
        replace: true,
        resetScroll: false,
      }),
  )
  const compare = useCallback(
    (asked: { model: string; text: string; tokens: number; suite: string | undefined }) => {
      setProgress(undefined)
      const isLong = asked.text.length > longestInUrl
      setLongText(isLong ? asked.text : undefined)
      const state: CompareState = {
        tab: 'models',
        model: asked.model,
        ...(asked.suite === undefined ? {} : { suite: asked.suite }),
        ...(asked.text === '' || isLong ? {} : { text: asked.text }),
        ...(asked.tokens === usualTokens ? {} : { tokens: asked.tokens }),
      }
      void navigate({ search: () => state })
    },
    [navigate],
  )
  const isStopped = request !== undefined && !result.isFetching && !result.data && !result.error
  return (
    <>
      <p className="lead">
        The same tokens go through the suite’s own model and through another that reads the same
        tokens: one fine-tuned from it, or changed. The suite’s dictionaries tell which latents the
        other uses more or less, at which layers, and how well they still describe it.
      </p>
      <Form
        key={`${search.model} ${text} ${search.tokens} ${suite}`}
        model={search.model ?? ''}
        text={text ?? ''}
        tokens={search.tokens ?? usualTokens}
        suites={trained.map(({ name }) => name)}
        suite={suite}
        busy={result.isFetching}
        onCompare={compare}
        onStop={() => void client.cancelQueries({ queryKey: query.queryKey })}
      />
      {result.isFetching && (
        <section className="coming" aria-label="Progress">
          <p role="status">{progress?.message ?? 'waiting for the model'}</p>
          <progress max={1} value={progress?.share ?? 0} aria-label="Progress" />
          <p className="quiet">Other views take turns with it, and may answer slowly meanwhile.</p>
        </section>
      )}
      {isStopped && (
        <p className="quiet">
          Stopped.{' '}
          <button type="button" className="action" onClick={() => void result.refetch()}>
            Compare again
          </button>
        </p>
      )}
      {result.error && <Failure error={result.error} onRetry={() => void result.refetch()} />}
      {result.data && !result.isFetching && (
        <>
          <Summary found={result.data} />
          <CompareLayers found={result.data} />
          <CompareShifts found={result.data} />
          <section className="comparison" aria-label="Token by token">
            <h2 className="token-head">
              Token by token{' '}
              <span className="quiet">
                the beginning of the text; A is {result.data.base.name}, B is{' '}
                {result.data.tuned.name}
              </span>
            </h2>
            <CompareBoard
              data={result.data.shown}
              names={{ a: 'A', b: 'B' }}
              place={place}
              onPlace={setPlace}
            />
          </section>
        </>
      )}
    </>
  )
}

function Form(props: {
  model: string
  text: string
  tokens: number
  suites: readonly string[]
  suite: string | undefined
  busy: boolean
  onCompare: (asked: {
    model: string
    text: string
    tokens: number
    suite: string | undefined
  }) => void
  onStop: () => void
}) {
  const [model, setModel] = useState(props.model)
  const [text, setText] = useState(props.text)
  const [tokens, setTokens] = useState(props.tokens)
  const [suite, setSuite] = useState(props.suite)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (model.trim() !== '')
      props.onCompare({ model: model.trim(), text: text.trim(), tokens, suite })
  }
  return (
    <form className="models-form" onSubmit={submit}>
      <label className="field">
        <span>The other model</span>
        <input
          type="text"
          value={model}
          spellCheck={false}
          placeholder="a folder on this machine, or owner/name after hooke pull"
          onChange={(e) => setModel(e.target.value)}
        />
      </label>
      <label className="field">
        <span>
          On this text <span className="quiet">(empty: the suite’s own)</span>
        </span>
        <textarea
          value={text}
          rows={1}
          maxLength={20_000}
          spellCheck={false}
          onChange={(e) => setText(e.target.value)}
        />
      </label>
      <div className="sentence-actions">
        <button type="submit" className="primary" disabled={model.trim() === '' || props.busy}>
          Compare
        </button>
        {props.busy && (
          <button type="button" onClick={props.onStop}>
            Stop
          </button>
        )}
        <label className="most-tokens">
          <input
            type="number"
            min={1}
            max={100_000}
            value={tokens}
            onChange={(e) => setTokens(Math.max(1, Math.min(100_000, Number(e.target.value) || 1)))}
          />
          tokens at most
        </label>
        <SuiteChoice suites={props.suites} suite={suite} onSuite={setSuite} />
      </div>
    </form>
  )
}

/** What came out, in sentences. */
function Summary(props: { found: ModelComparison }) {
  const { base, tuned, n_tokens, kl, first_changed, sites, n_tests, level, left_out } = props.found
  const n = sites.reduce((sum, { n }) => sum + Object.values(n).reduce((x, y) => x + y, 0), 0)
  const loss = (nats: number | undefined) => nats?.toFixed(3) ?? '–'
  return (
    <section className="compare-summary" aria-label="Summary">
      <p>
        {first_changed === undefined ? (
          <>On these {count(n_tokens)} tokens nothing differs by more than rounding.</>
        ) : (
          <>
            The first place that differs is <code>{first_changed}</code>. {count(n)} latents differ,
            of {count(n_tests)} tests; were tokens independent, at most {level * 100} % of these
            would be there by chance.
          </>
        )}
      </p>
      <p className="quiet">
        Loss on {count(n_tokens)} tokens: {base.name} {loss(base.ce_loss)}, {tuned.name}{' '}
        {loss(tuned.ce_loss)} nats. KL of predictions: {kl?.toPrecision(2) ?? '–'} nats a token.
        {left_out.length > 0 && ` Left out: ${left_out.join('; ')}.`}
      </p>
    </section>
  )
}
