/** One latent: what it is called and by whom, where it fires, what it writes, what is near it. */
import { useIsFetching, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { LatentView } from '../../../src/api/index.ts'
import { effectsQuery, keys, latentQuery } from '../api/queries.ts'
import { latentName, saeName } from '../format/names.ts'
import { count, percent, short } from '../format/numbers.ts'
import { ExampleRun } from '../parts/ExampleRun.tsx'
import { type Context, Examples } from '../parts/Examples.tsx'
import { Family } from '../parts/Family.tsx'
import { Histogram } from '../parts/Histogram.tsx'
import { LabelByModel } from '../parts/LabelByModel.tsx'
import { LabelEditor } from '../parts/LabelEditor.tsx'
import { LabelScores } from '../parts/LabelScores.tsx'
import { LabelTests } from '../parts/LabelTests.tsx'
import { LatentLink, LikeLink, SteerLink } from '../parts/LatentLink.tsx'
import { LatentMarks } from '../parts/LatentMarks.tsx'
import { LogitTable } from '../parts/LogitTable.tsx'
import { Failure } from '../parts/Notice.tsx'
import { Positions } from '../parts/Positions.tsx'
import { Term } from '../parts/Term.tsx'
import { TestBox } from '../parts/TestBox.tsx'
import { useKeys } from '../state/keys.ts'
import { formatInterventions } from '../state/urlState.ts'

/** A latent's page. */
export function Latent() {
  const { sae, index: indexText } = useParams({ from: '/latent/$sae/$index' })
  const index = Number(indexText)
  const navigate = useNavigate({ from: '/latent/$sae/$index' })
  const client = useQueryClient()
  const { data: latent, error, refetch } = useQuery(latentQuery(sae, index))
  const [editing, setEditing] = useState(false)

  const go = (step: number) => {
    const next = index + step
    if (next < 0 || (latent && next >= latent.d_sae)) return
    setEditing(false)
    void navigate({ params: { sae, index: String(next) }, search: true })
  }
  useKeys({
    j: () => go(1),
    k: () => go(-1),
    right: () => go(1),
    left: () => go(-1),
    e: () => setEditing(true),
    s: () =>
      void navigate({
        search: (old) => ({
          ...old,
          dock: formatInterventions([{ sae, latent: index, mode: 'add', strength: 1 }]),
        }),
        replace: true,
        resetScroll: false,
      }),
  })
  // The neighbours in number are likely next: j and k should not wait.
  useEffect(() => {
    if (!latent) return
    for (const next of [index + 1, index - 1])
      if (next >= 0 && next < latent.d_sae) void client.prefetchQuery(latentQuery(sae, next))
  }, [client, latent, sae, index])

  const name = saeName(sae)
  return (
    <main className="page latent">
      <nav className="crumbs" aria-label="Place">
        <Link to="/suite" search={{ sae }}>
          {name.suite || 'suite'}
        </Link>
        <span>{name.hook}</span>
        <span className="only-wide">
          {name.width} wide, L0 {name.l0}
        </span>
        <span className="crumbs-end">
          <button type="button" onClick={() => go(-1)} disabled={index <= 0}>
            <kbd>k</kbd> previous
          </button>
          <button
            type="button"
            onClick={() => go(1)}
            disabled={latent !== undefined && index >= latent.d_sae - 1}
          >
            <kbd>j</kbd> next
          </button>
        </span>
      </nav>
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {latent ? (
        <Body key={`${sae}/${index}`} latent={latent} editing={editing} onEditing={setEditing} />
      ) : (
        !error && <div className="latent-waiting" aria-busy="true" />
      )}
    </main>
  )
}

function Body(props: {
  latent: LatentView
  editing: boolean
  onEditing: (editing: boolean) => void
}) {
  const { latent } = props
  const search = useSearch({ from: '/latent/$sae/$index' })
  const navigate = useNavigate({ from: '/latent/$sae/$index' })
  const isLoading = useIsFetching({ queryKey: [...keys.latent, latent.sae, latent.index] }) > 0
  const setContext = (context: Context) =>
    void navigate({
      search: ({ context: _, ...old }) => (context === '16' ? old : { ...old, context }),
      replace: true,
      resetScroll: false,
    })
  const scale = Math.max(
    0,
    ...[...latent.top_logits, ...latent.bottom_logits].map((l) => Math.abs(l.effect)),
  )
  return (
    <>
      <div className="latent-head">
        <p className="latent-place">
          {latentName(latent.hook, latent.index)}
          <SteerLink sae={latent.sae} index={latent.index} />
          <LikeLink sae={latent.sae} index={latent.index} />
        </p>
        <LabelEditor {...props} />
        <LatentMarks latent={latent} />
      </div>
      <div className="latent-columns">
        <div className="latent-main">
          <TestBox sae={latent.sae} index={latent.index} max_act={latent.max_act} />
          <Examples latent={latent} context={search.context ?? '16'} onContext={setContext} />
        </div>
        <div className="latent-side" aria-busy={isLoading || undefined}>
          <section aria-label="Activation">
            <h2>Activation</h2>
            <dl className="facts">
              <dt>
                <Term of="density">density</Term>
              </dt>
              <dd>{percent(latent.density)}</dd>
              <dt>active on</dt>
              <dd>
                {count(latent.n_active)} of {count(latent.n_tokens)} tokens
              </dd>
              <dt>
                <Term of="max_act">maximum</Term>
              </dt>
              <dd>{short(latent.max_act)}</dd>
              <dt>
                <Term of="mean_act">mean, where active</Term>
              </dt>
              <dd>{short(latent.n_active > 0 ? latent.mean_act : undefined)}</dd>
            </dl>
            <Histogram
              {...latent.histogram}
              name="Activations where it is active"
              unit="activation; heights as square roots"
            />
          </section>
          <LabelScores labels={latent.labels} scores={latent.label_scores ?? []} />
          <section aria-label="Labels and tests to order">
            <LabelByModel suite={saeName(latent.sae).suite} sae={latent.sae} index={latent.index} />
            <LabelTests suite={saeName(latent.sae).suite} sae={latent.sae} index={latent.index} />
          </section>
          <section aria-label="Place in documents">
            <h2>Where in documents</h2>
            <Positions positions={latent.positions} />
          </section>
          <section aria-label="Output tokens">
            <h2>
              What it <Term of="effect">writes</Term>
            </h2>
            <div className="logit-pair">
              <LogitTable name="raised" logits={latent.top_logits} scale={scale} />
              <LogitTable name="lowered" logits={latent.bottom_logits} scale={scale} />
            </div>
            <Effects latent={latent} />
          </section>
          <section aria-label="Nearest latents">
            <h2>
              Family, nearest by <Term of="cosine">cosine</Term>
            </h2>
            <Family sae={latent.sae} index={latent.index} />
            <Nearest
              name="in other sites"
              neighbours={latent.neighbours.filter(({ hook }) => hook !== latent.hook)}
            />
            <Nearest
              name="in this site"
              neighbours={latent.neighbours.filter(({ hook }) => hook === latent.hook)}
            />
            {latent.neighbours.length === 0 && <p className="quiet">Not computed yet.</p>}
          </section>
          <ExampleRun latent={latent} />
          <Snippets snippets={latent.snippets} />
        </div>
      </div>
    </>
  )
}

/** A list of neighbours, nearest first; nothing where there are none. */
function Nearest(props: { name: string; neighbours: LatentView['neighbours'] }) {
  if (props.neighbours.length === 0) return null
  return (
    <>
      <h3>{props.name}</h3>
      <ol className="neighbours">
        {props.neighbours.map((n) => (
          <li key={`${n.sae}/${n.index}`}>
            <span className="value">{n.cosine.toFixed(2)}</span>
            <LatentLink chip={n} />
          </li>
        ))}
      </ol>
    </>
  )
}

/** How all its logit effects spread, for which the model is asked; a reason where there are none. */
function Effects({ latent }: { latent: LatentView }) {
  const { data, error } = useQuery(effectsQuery(latent.sae, latent.index))
  if (error) return <p className="quiet">{error.message}</p>
  if (!data) return <div className="effects-waiting" />
  if (!data.histogram) return <p className="quiet">{data.absent}</p>
  return (
    <Histogram
      {...data.histogram}
      name="Effects on all output tokens"
      unit={`effect on every token; standard deviation ${short(data.histogram.standard_deviation)}`}
    />
  )
}

/** How to load the dictionary elsewhere. */
function Snippets(props: { snippets: LatentView['snippets'] }) {
  const [language, setLanguage] = useState<'typescript' | 'python'>('typescript')
  const [copied, setCopied] = useState<string>()
  const text = props.snippets[language]
  return (
    <section aria-label="In code">
      <header className="section-head">
        <h2>In code</h2>
        <fieldset className="chips">
          <legend className="hidden">Language</legend>
          {(['typescript', 'python'] as const).map((value) => (
            <label key={value}>
              <input
                type="radio"
                name="language"
                checked={language === value}
                onChange={() => setLanguage(value)}
              />
              <span>{value === 'python' ? 'Python' : 'TypeScript'}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: code that scrolls must be reachable by keyboard */}
      <pre className="code" tabIndex={0}>
        <code>{text}</code>
      </pre>
      <button
        type="button"
        className="action"
        onClick={() =>
          void navigator.clipboard.writeText(text).then(
            () => setCopied('copied'),
            () => setCopied('the browser refused; select the text instead'),
          )
        }
      >
        {copied ?? 'copy'}
      </button>
    </section>
  )
}
