/** The suite: every dictionary with its metrics, what is running, and the training as it goes. */
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { pointsQuery, selfTestsQuery, workspaceQuery } from '../api/queries.ts'
import { LabelByModel } from '../parts/LabelByModel.tsx'
import { LabelTests } from '../parts/LabelTests.tsx'
import { LatentTable } from '../parts/LatentTable.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { Plots } from '../parts/Plots.tsx'
import { RunLine } from '../parts/RunLine.tsx'
import { SuiteTable } from '../parts/SuiteTable.tsx'
import { TrainingCurves } from '../parts/TrainingCurves.tsx'
import { isUnderWay, shownRuns } from '../state/runs.ts'
import { formatSuites } from '../state/urlState.ts'

/** The suite view. */
export function Suite() {
  const search = useSearch({ from: '/suite' })
  const navigate = useNavigate({ from: '/suite' })
  const { data: workspace, error, refetch } = useQuery(workspaceQuery)
  const [lit, setLit] = useState<string>()
  // One that is named is shown or missed; another in its place would be taken for it.
  const suite =
    search.suite === undefined
      ? (workspace?.suites.find((s) => s.saes.some((a) => a.id === search.sae)) ??
        workspace?.suites[0])
      : workspace?.suites.find((s) => s.name === search.suite)
  const name = suite?.name ?? search.suite
  const open = suite?.saes.find((s) => s.id === search.sae)
  const deepest = suite?.saes.at(-1)
  const listed = open ?? (deepest && deepest.n_labelled > 0 ? deepest : undefined)
  const points = useQuery(pointsQuery(suite?.name))
  const selfTests = useQuery(selfTestsQuery(suite?.name))
  const shown = shownRuns(workspace?.runs ?? [], name)
  const isTraining = shown.some(isUnderWay) && suite?.saes.some((s) => s.state === 'training')
  const others = workspace?.suites.filter((s) => s !== suite) ?? []
  const model = workspace?.model
  return (
    <main className="page suite">
      <header className="section-head">
        <h1>{name ?? 'Suite'}</h1>
        {(workspace?.suites.length ?? 0) > 1 && (
          <select
            aria-label="Suite"
            value={name}
            onChange={(e) => void navigate({ search: { suite: e.target.value } })}
          >
            {workspace?.suites.map((s) => (
              <option key={s.name}>{s.name}</option>
            ))}
            {name !== undefined && !suite && <option>{name}</option>}
          </select>
        )}
        {suite && others.length > 0 && (
          <Link
            to="/compare"
            search={{
              suites: formatSuites([suite.name, ...others.map((s) => s.name)].slice(0, 2)),
            }}
            className="action"
          >
            compare
          </Link>
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
        <SuiteTable
          saes={suite.saes}
          selfTests={selfTests.data ?? []}
          open={listed?.id}
          onLit={setLit}
          all={search.metrics === 'all'}
          onAll={(all) =>
            void navigate({
              search: ({ metrics: _m, ...old }) => ({ ...old, ...(all ? { metrics: 'all' } : {}) }),
              replace: true,
              resetScroll: false,
            })
          }
        />
      ) : (
        workspace &&
        shown.length === 0 && (
          <Notice>
            There is no dictionary in {search.suite ? 'this suite' : 'this workspace'} yet.{' '}
            <code>hooke demo</code> makes a suite from the bundled model, <code>hooke train</code>{' '}
            from yours.
          </Notice>
        )
      )}
      {suite && (isTraining || (points.data?.length ?? 0) > 0) && (
        <TrainingCurves
          saes={suite.saes}
          points={points.data ?? []}
          lit={lit ?? open?.id}
          shown={search.show}
          onShow={(show) =>
            void navigate({
              search: (old) => ({ ...old, show }),
              replace: true,
              resetScroll: false,
            })
          }
        />
      )}
      {suite?.saes.some((s) => s.metrics) && <Plots suite={suite.name} />}
      {suite?.saes.some((s) => s.n_labelled > 0) && (
        <section key={suite.name} aria-label="Labels and tests to order">
          <LabelByModel suite={suite.name} />
          <LabelTests suite={suite.name} />
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
