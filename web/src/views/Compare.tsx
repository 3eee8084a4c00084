/** What differs: between two prompts, between two models, between trainings. */
import { useQuery } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { workspaceQuery } from '../api/queries.ts'
import { Failure } from '../parts/Notice.tsx'
import { compareTabs } from '../state/urlState.ts'
import { CompareModels } from './CompareModels.tsx'
import { ComparePrompts } from './ComparePrompts.tsx'
import { CompareSuites } from './CompareSuites.tsx'

const tabs = {
  suites: { name: 'Trainings', title: 'Compare trainings', view: CompareSuites },
  prompts: { name: 'Prompts', title: 'Compare two prompts', view: ComparePrompts },
  models: { name: 'Models', title: 'Compare two models', view: CompareModels },
} as const

/** The comparison view. Without a choice in the address: trainings where there are two, else prompts. */
export function Compare() {
  const { tab: chosen } = useSearch({ from: '/compare' })
  const { data: workspace, error, refetch } = useQuery(workspaceQuery)
  const n_suites = workspace?.suites.filter(({ saes }) => saes.length > 0).length
  const tab = chosen ?? (n_suites === undefined ? undefined : n_suites > 1 ? 'suites' : 'prompts')
  const View = tab && tabs[tab].view
  return (
    <main className="page compare">
      <header className="section-head">
        <h1>{tab ? tabs[tab].title : 'Compare'}</h1>
        <nav className="chips tabs" aria-label="What to compare">
          {compareTabs.map((name) => (
            <Link
              key={name}
              to="/compare"
              search={{ tab: name }}
              aria-current={name === tab ? 'page' : undefined}
            >
              {tabs[name].name}
            </Link>
          ))}
        </nav>
      </header>
      {error && !workspace && <Failure error={error} onRetry={() => void refetch()} />}
      {View && <View />}
    </main>
  )
}
