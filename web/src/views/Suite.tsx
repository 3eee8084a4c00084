/** The suite: every dictionary with its metrics, what is running, and the training as it goes. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '../../../src/server/api.ts'
import { api } from '../api/client.ts'
import { applyEvent } from '../api/live.ts'
import { pointsQuery, workspaceQuery } from '../api/queries.ts'
import { remaining } from '../format/numbers.ts'
import { Curves } from '../parts/Curves.tsx'
import { LatentTable } from '../parts/LatentTable.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { SuiteTable } from '../parts/SuiteTable.tsx'

/** The suite view. */
export function Suite() {
  const search = useSearch({ from: '/suite' })
  const navigate = useNavigate({ from: '/suite' })
  const { data: workspace, error, refetch } = useQuery(workspaceQuery)
  const [lit, setLit] = useState<string>()
  const suite =
    workspace?.suites.find((s) => s.name === search.suite) ??
    workspace?.suites.find((s) => s.saes.some((a) => a.id === search.sae)) ??
    workspace?.suites[0]
  const open = suite?.saes.find((s) => s.id === search.sae)
  const deepest = suite?.saes.at(-1)
  const listed = open ?? (deepest && deepest.n_labelled > 0 ? deepest : undefined)
  const runs = workspace?.runs.filter((r) => r.suite === undefined || r.suite === suite?.name) ?? []
  const trained = runs.find((r) => r.kind === 'train' || r.kind === 'demo')
  const points = useQuery(pointsQuery(trained?.id))
  const shown = runs.filter((r) => r.state !== 'done')
  const model = workspace?.model
  return (
    <main className="page suite">
      <header className="section-head">
        <h1>{suite?.name ?? 'Suite'}</h1>
        {(workspace?.suites.length ?? 0) > 1 && (
          <select
            aria-label="Suite"
            value={suite?.name}
            onChange={(e) => void navigate({ search: { suite: e.target.value } })}
          >
            {workspace?.suites.map((s) => (
              <option key={s.name}>{s.name}</option>
            ))}
          </select>
        )}
        {model && (
          <p className="quiet">
            {model.n_layers} layers, d_model {model.d_model}, vocabulary {model.d_vocab}, context{' '}
            {model.n_ctx} tokens
          </p>
        )}
      </header>
      {error && !workspace && <Failure error={error} onRetry={() => void refetch()} />}
      {shown.map((run) => (
        <RunLine key={run.id} run={run} />
      ))}
      {suite && suite.saes.length > 0 ? (
        <SuiteTable saes={suite.saes} open={listed?.id} onLit={setLit} />
      ) : (
        workspace &&
        shown.length === 0 && (
          <Notice>
            There is no dictionary in this workspace yet. <code>hooke demo</code> makes a suite from
            the bundled model, <code>hooke train</code> from yours.
          </Notice>
        )
      )}
      {trained && (trained.state === 'running' || (points.data?.length ?? 0) > 0) && (
        <section className="training" aria-label="Training">
          <h2>Training</h2>
          <div className="curve-pair">
            <Curves
              points={points.data ?? []}
              of="fvu"
              term="fvu"
              name="FVU"
              log
              lit={lit ?? open?.id}
            />
            <Curves
              points={points.data ?? []}
              of="l0"
              term="l0"
              name="L0"
              log
              lit={lit ?? open?.id}
            />
          </div>
        </section>
      )}
      {listed && (
        <LatentTable
          sae={listed}
          by={{
            sort: search.sort ?? 'index',
            order: search.order ?? 'asc',
          }}
          onOrder={({ sort, order }) =>
            void navigate({
              search: ({ sort: _s, order: _o, ...old }) => ({
                ...old,
                ...(sort === 'index' ? {} : { sort }),
                ...(order === 'asc' ? {} : { order }),
              }),
              replace: true,
              resetScroll: false,
            })
          }
        />
      )}
    </main>
  )
}

/** One run: what it does, how far, how long still, and how to stop it. */
function RunLine(props: { run: Run }) {
  const { run } = props
  const client = useQueryClient()
  const stop = useMutation({
    mutationFn: () => api.stopRun(run.id),
    onSuccess: (stopped) => applyEvent(client, { type: 'run', run: stopped }),
  })
  const going = run.state === 'running' || run.state === 'queued'
  return (
    <section className="run" aria-label="Run">
      <div className="run-line">
        <span className={`state ${run.state}`}>{run.state}</span>
        <span className="run-message">{run.message}</span>
        <span className="quiet">{going && remaining(run.remaining_ms)}</span>
        {going && (
          <button type="button" disabled={stop.isPending} onClick={() => stop.mutate()}>
            Stop
          </button>
        )}
      </div>
      {going && (
        <progress max={1} value={run.progress} aria-label={`${run.kind}: ${run.message}`} />
      )}
      {run.error && <Failure error={run.error} />}
      {stop.error && <Failure error={stop.error} />}
    </section>
  )
}
