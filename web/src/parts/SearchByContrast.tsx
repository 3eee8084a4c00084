/** Search by contrast: which latents are more active on texts A than on texts B, and the other way round. */
import { useQuery } from '@tanstack/react-query'
import type { ContrastRequest, ContrastSearch } from '../../../src/api/index.ts'
import { contrastQuery } from '../api/searchQueries.ts'
import { count, fixed, short } from '../format/numbers.ts'
import { useAddressed } from '../state/addressed.ts'
import { useDebounced } from '../state/debounced.ts'
import type { SearchState } from '../state/urlState.ts'
import { Failure } from './Notice.tsx'
import { TextOptions, textOptions } from './SearchByText.tsx'
import { HitRow, LeftOut } from './SearchHits.tsx'

const mostTexts = 64
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, mostTexts)

type Change = { [K in keyof SearchState]?: SearchState[K] | undefined }

/** Both boxes and what they find. */
export function SearchByContrast(props: {
  state: SearchState
  filters: Partial<ContrastRequest>
  onChange: (change: Change) => void
}) {
  const { state, onChange } = props
  const [a, setA] = useAddressed(state.a ?? '', (next) => onChange({ a: next || undefined }))
  const [b, setB] = useAddressed(state.b ?? '', (next) => onChange({ b: next || undefined }))
  const settled = useDebounced(JSON.stringify([lines(a), lines(b)]), 300)
  const [textsA, textsB] = JSON.parse(settled) as [string[], string[]]
  const request =
    textsA.length > 0 && textsB.length > 0
      ? { ...props.filters, ...textOptions(state), a: textsA, b: textsB }
      : undefined
  const { data, error } = useQuery(contrastQuery(request))
  const percents = state.scale !== 'act'
  return (
    <>
      <div className="contrast-boxes">
        <Box name="A" value={a} onChange={setA} first />
        <Box name="B" value={b} onChange={setB} />
      </div>
      <TextOptions state={state} onChange={onChange} />
      {!request && (
        <p className="quiet empty">
          One text a line in each box. Latents are ranked by the difference of their mean activation
          between the two.
        </p>
      )}
      {request && error && <Failure error={error} />}
      {request && data && (
        <>
          <div className="contrast-sides">
            <Side name="More in A" hits={data.more_in_a} percents={percents} />
            <Side name="More in B" hits={data.more_in_b} percents={percents} />
          </div>
          <p className="quiet left-out" role="status">
            A: {count(data.n_tokens.a)} tokens of {texts(data.n_texts.a)}. B:{' '}
            {count(data.n_tokens.b)} tokens of {texts(data.n_texts.b)}.{' '}
            {Math.min(data.n_texts.a, data.n_texts.b) < 2
              ? 'With one text on a side there is no standard error: write more lines.'
              : '± is one standard error, with the text as what varies; d the difference in standard deviations over tokens.'}
          </p>
          <LeftOut words={data.left_out} />
        </>
      )}
    </>
  )
}

const texts = (n: number) => `${count(n)} ${n === 1 ? 'text' : 'texts'}`

function Box(props: {
  name: string
  value: string
  onChange: (value: string) => void
  first?: boolean
}) {
  return (
    <label className="contrast-box">
      <span>Texts {props.name}</span>
      <textarea
        rows={3}
        value={props.value}
        maxLength={20_000}
        spellCheck={false}
        placeholder={props.first ? 'The ship came home.' : 'The child came home.'}
        data-search-field={props.first || undefined}
        onChange={(e) => props.onChange(e.target.value)}
        onKeyDown={(e) => e.key === 'Escape' && e.currentTarget.blur()}
      />
    </label>
  )
}

function Side(props: { name: string; hits: ContrastSearch['more_in_a']; percents: boolean }) {
  const amount = (x: number) => (props.percents ? fixed(100 * x, 1) : short(x))
  return (
    <section aria-label={props.name}>
      <h2>
        {props.name}
        <span className="quiet">
          {' '}
          · by how much{props.percents && ', % of each latent’s maximum'}; density
        </span>
      </h2>
      {props.hits.length === 0 && <p className="quiet">None.</p>}
      <ol className="hits">
        {props.hits.map((hit) => (
          <HitRow
            key={`${hit.sae}/${hit.index}`}
            hit={hit}
            why={
              <>
                {amount(hit.mean_a)} in A, {amount(hit.mean_b)} in B
                {hit.effect_size !== undefined && `, d ${fixed(Math.abs(hit.effect_size), 2)}`}
              </>
            }
            value={
              <>
                {amount(Math.abs(hit.difference))}
                {hit.standard_error !== undefined && (
                  <span className="quiet"> ± {amount(hit.standard_error)}</span>
                )}
              </>
            }
          />
        ))}
      </ol>
    </section>
  )
}
