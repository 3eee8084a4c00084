/** Search by a text: it is run through the model, and latents are ranked by how strongly it activates them. */
import { useQuery } from '@tanstack/react-query'
import type { TextSearchRequest } from '../../../src/api/index.ts'
import { textSearchQuery } from '../api/searchQueries.ts'
import { visiblePiece } from '../format/names.ts'
import { count, percent, short } from '../format/numbers.ts'
import type { SearchState } from '../state/urlState.ts'
import { Failure } from './Notice.tsx'
import { HitHead, HitRow, LeftOut } from './SearchHits.tsx'
import { Term } from './Term.tsx'
import { TokenChooser } from './TokenChooser.tsx'

type Change = { [K in keyof SearchState]?: SearchState[K] | undefined }

/** How activations are compared, and whether dense latents count: what searches by text share. */
export function TextOptions(props: {
  state: SearchState
  means?: boolean
  onChange: (change: Change) => void
}) {
  const { state, onChange } = props
  return (
    <div className="search-options">
      {props.means && (
        <label className="check">
          <input
            type="checkbox"
            checked={state.by === 'mean'}
            onChange={(e) => onChange({ by: e.target.checked ? 'mean' : undefined })}
          />
          mean over the tokens, not the largest
        </label>
      )}
      <label className="check">
        <input
          type="checkbox"
          checked={state.scale === 'act'}
          onChange={(e) => onChange({ scale: e.target.checked ? 'act' : undefined })}
        />
        activations as they are, not as shares of each latent’s maximum
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={state.dense === 'shown'}
          onChange={(e) => onChange({ dense: e.target.checked ? 'shown' : undefined })}
        />
        dense latents too
      </label>
    </div>
  )
}

/** What a text search is asked with besides the text. */
export const textOptions = (state: SearchState) => ({
  ...(state.scale ? { scale: state.scale } : {}),
  ...(state.dense ? { max_density: 1 } : {}),
})

const tokensOf = (text: string | undefined): number[] =>
  (text ?? '')
    .split('.')
    .filter((part) => /^\d+$/.test(part))
    .map(Number)

/** The results for a text, and the tokens to choose from. */
export function SearchByText(props: {
  text: string
  filters: Partial<TextSearchRequest>
  state: SearchState
  onChange: (change: Change) => void
}) {
  const { text, state, onChange } = props
  const chosen = tokensOf(state.tokens)
  const request =
    text.trim() === ''
      ? undefined
      : {
          ...props.filters,
          ...textOptions(state),
          text,
          ...(state.by ? { by: state.by } : {}),
          ...(chosen.length > 0 ? { tokens: chosen } : {}),
        }
  const { data, error, isFetching } = useQuery(textSearchQuery(request))
  const asShare = state.scale !== 'act'
  return (
    <>
      <TextOptions state={state} means onChange={onChange} />
      {request && error && <Failure error={error} />}
      {request && data && (
        <>
          <TokenChooser
            tokens={data.tokens}
            chosen={chosen}
            onChange={(tokens) => onChange({ tokens: tokens.join('.') || undefined })}
          />
          <HitHead
            value={
              asShare ? <Term of="strength">of its maximum</Term> : <Term of="max_act">act</Term>
            }
          >
            {count(data.n_total)} latents are active on{' '}
            {chosen.length === 0
              ? 'the text; choose tokens to rank by them alone'
              : `${count(data.chosen.length)} chosen tokens`}
            {isFetching ? ' …' : `; ${count(Math.max(1, data.took_ms))} ms`}
          </HitHead>
          <ol className="hits" id="hits">
            {data.hits.map((hit) => (
              <HitRow
                key={`${hit.sae}/${hit.index}`}
                hit={hit}
                why={
                  <>
                    {state.by === 'mean' ? 'most on ' : 'on '}
                    <bdi className="piece">
                      {visiblePiece(data.tokens[hit.token]?.piece ?? '', 'shown')}
                    </bdi>
                  </>
                }
                value={asShare ? percent(hit.strength) : short(hit.act)}
              />
            ))}
          </ol>
          <LeftOut words={data.left_out} />
        </>
      )}
    </>
  )
}
