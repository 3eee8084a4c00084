/** How the microscope looks: which sites, which dictionary, and by what the cells are ranked. */
import type { CellRank } from '../../../src/api/index.ts'
import type { SiteChoice } from '../state/sites.ts'
import { Term } from './Term.tsx'

const ranks: readonly (readonly [CellRank, string])[] = [
  ['activation', 'activation'],
  ['predicted', 'effect on the prediction'],
  ['actual', 'effect on the next token'],
]

/** A row of choices; a choice of one is not shown. */
export function MicroscopeBar(props: {
  choice: SiteChoice
  rank: CellRank
  narrow: boolean
  onSite: (kind: string) => void
  onDictionary: (variant: string) => void
  onRank: (rank: CellRank) => void
  onNarrow: (narrow: boolean) => void
}) {
  const { choice } = props
  return (
    <div className="microscope-bar">
      {choice.kinds.length > 1 && (
        <fieldset className="chips">
          <legend>Sites</legend>
          {[...choice.kinds, 'all' as const].map((kind) => (
            <label key={kind}>
              <input
                type="radio"
                name="site"
                checked={choice.kind === kind}
                onChange={() => props.onSite(kind)}
              />
              <span>{kind}</span>
            </label>
          ))}
        </fieldset>
      )}
      {choice.variants.length > 0 && (
        <label className="pick">
          Dictionary
          <select value={choice.variant} onChange={(e) => props.onDictionary(e.target.value)}>
            {choice.variants.map(({ key, name }) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
            <option value="all">all of them</option>
          </select>
        </label>
      )}
      <fieldset className="chips">
        <legend>
          <Term of="direct_effect">Cells by</Term>
        </legend>
        {ranks.map(([rank, words]) => (
          <label key={rank}>
            <input
              type="radio"
              name="rank"
              checked={props.rank === rank}
              onChange={() => props.onRank(rank)}
            />
            <span>{words}</span>
          </label>
        ))}
      </fieldset>
      <label className="check">
        <input
          type="checkbox"
          checked={props.narrow}
          onChange={(e) => props.onNarrow(e.target.checked)}
        />
        narrow cells
      </label>
    </div>
  )
}
