/** Among which latents a search looks: layer, site, density, and what their labels are. */
import { useQuery } from '@tanstack/react-query'
import type { SearchFilters as Filters, LabelMethod } from '../../../src/api/index.ts'
import { workspaceQuery } from '../api/queries.ts'
import { searchScopeQuery } from '../api/searchQueries.ts'
import { saeName, siteKind, siteLayer, siteName } from '../format/names.ts'
import { count } from '../format/numbers.ts'

const densities = [
  ['', 'any density'],
  ['0.01-', '1 % of tokens or more'],
  ['0.001-0.01', '0.1 % to 1 %'],
  ['0.0001-0.001', '0.01 % to 0.1 %'],
  ['-0.0001', '0.01 % or less'],
] as const
const scores = [0.6, 0.7, 0.8, 0.9]
const methodNames: Record<LabelMethod, string> = {
  manual: 'people',
  llm: 'language models',
  lexical: 'tokens alone',
}
const number = (text: string | undefined) => (text ? Number(text) : undefined)

/** The filters as selects, folded away where the page is narrow; `onChange` gets what changes, undefined for off. */
export function SearchFilters(props: {
  filters: Filters
  onChange: (change: { [K in keyof Filters]: Filters[K] | undefined }) => void
}) {
  const { filters, onChange } = props
  const { data: workspace } = useQuery(workspaceQuery)
  const { data: scope } = useQuery(searchScopeQuery)
  const suites = workspace?.suites ?? []
  const saes = suites
    .filter(({ name }) => filters.suite === undefined || name === filters.suite)
    .flatMap((suite) => suite.saes)
  const layers = distinct(saes.map(({ hook }) => siteLayer(hook)).filter((layer) => layer !== ''))
  const sites = distinct(saes.map(({ hook }) => hook.replace(/^blocks\.\d+\./, '')))
  const n_on = Object.values(filters).filter((value) => value !== undefined).length
  const by = filters.author !== undefined ? `${filters.method}~${filters.author}` : filters.method
  return (
    <details className="search-scope" open={n_on > 0 || undefined}>
      <summary>
        Among {n_on === 0 ? 'all latents' : 'some latents'}
        {n_on > 0 && <span className="quiet"> · {count(n_on)} set</span>}
      </summary>
      <div className="search-selects">
        {suites.length > 1 && (
          <Choice
            name="In which suite"
            value={filters.suite}
            all="every suite"
            options={suites.map((suite) => [suite.name, suite.name])}
            onChange={(suite) => onChange({ suite, sae: undefined })}
          />
        )}
        {layers.length > 1 && (
          <>
            <Choice
              name="From which layer"
              value={filters.layer_from?.toString()}
              all="from the first layer"
              options={layers.map((layer) => [layer, `from layer ${layer}`])}
              onChange={(layer) => onChange({ layer_from: number(layer) })}
            />
            <Choice
              name="To which layer"
              value={filters.layer_to?.toString()}
              all="to the last layer"
              options={layers.map((layer) => [layer, `to layer ${layer}`])}
              onChange={(layer) => onChange({ layer_to: number(layer) })}
            />
          </>
        )}
        {sites.length > 1 && (
          <Choice
            name="At which site"
            value={filters.site}
            all="every site"
            options={sites.map((site) => [site, siteKind(site)])}
            onChange={(site) => onChange({ site })}
          />
        )}
        {saes.length > 1 && (
          <Choice
            name="In which dictionary"
            value={filters.sae}
            all="every dictionary"
            options={saes.map(({ id, hook, d_sae }) => [
              id,
              `${siteName(hook)}, ${count(d_sae)} latents, L0 ${saeName(id).l0}`,
            ])}
            onChange={(sae) => onChange({ sae })}
          />
        )}
        <Choice
          name="How dense"
          value={
            filters.density_from === undefined && filters.density_to === undefined
              ? undefined
              : `${filters.density_from ?? ''}-${filters.density_to ?? ''}`
          }
          all={densities[0][1]}
          options={densities.slice(1)}
          onChange={(range) => {
            const [from, to] = range?.split('-') ?? []
            onChange({ density_from: number(from), density_to: number(to) })
          }}
        />
        <Choice
          name="Labelled by"
          value={by}
          all="labelled by anyone"
          options={authorsOf(scope?.authors ?? [])}
          onChange={(value) => {
            const [method, author] = value?.split('~', 2) ?? []
            onChange({ method: method as LabelMethod | undefined, author })
          }}
        />
        {scope?.scored && (
          <Choice
            name="Score of the label"
            value={filters.score_from?.toString()}
            all="any score"
            options={scores.map((score) => [String(score), `scored ${score} or more`])}
            onChange={(score) => onChange({ score_from: number(score) })}
          />
        )}
        {n_on > 0 && (
          <button
            type="button"
            className="action"
            onClick={() =>
              onChange(Object.fromEntries(Object.keys(filters).map((name) => [name, undefined])))
            }
          >
            all latents
          </button>
        )}
      </div>
    </details>
  )
}

const distinct = (values: readonly string[]): string[] => [...new Set(values)]

/** Methods, and below those of several authors each of them. */
function authorsOf(authors: readonly { author: string; method: LabelMethod }[]) {
  return [...Map.groupBy(authors, ({ method }) => method)].flatMap(([method, own]) => [
    [method, `labelled by ${methodNames[method]}`] as const,
    ...(own.length < 2
      ? []
      : own.map(({ author }) => [`${method}~${author}`, `labelled by ${author}`] as const)),
  ])
}

function Choice(props: {
  name: string
  value: string | undefined
  all: string
  options: readonly (readonly [value: string, name: string])[]
  onChange: (value: string | undefined) => void
}) {
  return (
    <select
      aria-label={props.name}
      value={props.value ?? ''}
      onChange={(e) => props.onChange(e.target.value || undefined)}
    >
      <option value="">{props.all}</option>
      {props.options.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  )
}
