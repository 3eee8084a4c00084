/** What is reviewed, whose labels, by whom, and whether blind: all but the reviewer's name stands in the URL. */
import type { ReviewQueue, Workspace } from '../../../src/api/index.ts'
import { siteName, visiblePiece } from '../format/names.ts'
import { count } from '../format/numbers.ts'
import type { ReviewState } from '../state/urlState.ts'
import { methodName } from './LabelClaim.tsx'
import { SuiteChoice } from './SuiteChoice.tsx'

type Change = Partial<{ [K in keyof ReviewState]: ReviewState[K] | undefined }>

/** One row of choices. */
export function ReviewFilters(props: {
  suites: Workspace['suites']
  suite: string | undefined
  search: ReviewState
  claimants: ReviewQueue['claimants']
  reviewer: string
  onChange: (change: Change) => void
  onReviewer: (name: string) => void
}) {
  const { suites, suite, search, claimants, onChange } = props
  const saes = suites.find(({ name }) => name === suite)?.saes ?? []
  const whose = JSON.stringify([search.method ?? '', search.author ?? ''])
  return (
    <div className="review-filters">
      <SuiteChoice
        suites={suites.map(({ name }) => name)}
        suite={suite}
        onSuite={(name) =>
          onChange({ suite: name, sae: undefined, method: undefined, author: undefined })
        }
      />
      <select
        aria-label="Site"
        value={search.sae ?? ''}
        onChange={(e) => onChange({ sae: e.target.value || undefined })}
      >
        <option value="">every site</option>
        {saes.map((sae) => (
          <option key={sae.id} value={sae.id}>
            {siteName(sae.hook)}, {count(sae.d_sae)} latents
          </option>
        ))}
      </select>
      <select
        aria-label="Whose labels"
        value={whose}
        onChange={(e) => {
          const [method, author] = JSON.parse(e.target.value) as [string, string]
          onChange({
            method: methods.find((name) => name === method),
            author: author === '' ? undefined : author,
          })
        }}
      >
        <option value='["",""]'>machines’ labels</option>
        {claimants.map(({ method, author, n_labels }) => (
          <option key={`${method} ${author}`} value={JSON.stringify([method, author])}>
            {methodName(method)}: {visiblePiece(author)}, {count(n_labels)}
          </option>
        ))}
        {whose !== '["",""]' && !claimants.some((c) => whose === keyOf(c)) && (
          <option value={whose}>
            {[
              search.method && methodName(search.method),
              search.author && visiblePiece(search.author),
            ]
              .filter(Boolean)
              .join(': ')}
          </option>
        )}
      </select>
      <label className="check">
        <input
          type="checkbox"
          checked={search.blind === 'on'}
          onChange={(e) => onChange({ blind: e.target.checked ? 'on' : undefined })}
        />
        blind: measure agreement
      </label>
      <label className="review-who">
        as{' '}
        <input
          key={props.reviewer}
          name="author"
          aria-label="Reviewer"
          defaultValue={props.reviewer}
          maxLength={100}
          size={10}
          onBlur={(e) => props.onReviewer(e.target.value.trim() || 'me')}
          onKeyDown={(e) => e.key === 'Enter' && e.currentTarget.blur()}
        />
      </label>
    </div>
  )
}

const methods = ['manual', 'lexical', 'llm'] as const
const keyOf = ({ method, author }: ReviewQueue['claimants'][number]) =>
  JSON.stringify([method, author])
