/** The latents that change most, of all sites or one: on aligned tokens, at the last ones, in one text alone. */
import { useState } from 'react'
import { short, signed } from '../format/numbers.ts'
import {
  type Board,
  type Listed,
  type ListName,
  listNames,
  type SideNames,
} from '../state/comparison.ts'
import { EffectBar } from './CompareCellPanel.tsx'
import { LatentLink, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

const step = 20

/** The list; pointing at a latent lights it in the strip, pressing its token goes there and locks it. */
export function CompareLatents(props: {
  board: Board
  names: SideNames
  locked: string | undefined
  onHover: (key: string | undefined) => void
  onPlace: (row: number, column: number | undefined, key: string) => void
}) {
  const { board, names } = props
  const [list, setList] = useState<ListName>('changed')
  const [site, setSite] = useState('')
  const [most, setMost] = useState(step)
  const titles: Record<ListName, string> = {
    changed: 'on tokens of both',
    last: 'at the last token',
    only_a: `only in ${names.a}`,
    only_b: `only in ${names.b}`,
  }
  const there = listNames.filter((name) => name === 'changed' || board.lists[name].length > 0)
  const now = there.includes(list) ? list : 'changed'
  const latents = board.lists[now].filter(({ chip }) => site === '' || chip.sae === site)
  return (
    <section className="compare-latents" aria-label="Latents that change">
      <header className="section-head">
        <h2>Latents that change most</h2>
        <select aria-label="Site" value={site} onChange={(e) => setSite(e.target.value)}>
          <option value="">every site</option>
          {board.rows.map(({ sae, name }) => (
            <option key={sae} value={sae}>
              {name}
            </option>
          ))}
        </select>
        <fieldset className="chips">
          <legend className="hidden">Where they change</legend>
          {there.map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="compare-list"
                checked={name === now}
                onChange={() => {
                  setList(name)
                  setMost(step)
                }}
              />
              <span>{titles[name]}</span>
            </label>
          ))}
        </fieldset>
      </header>
      <p className="hit-head quiet">
        <Term of="change_effect">effect</Term>
      </p>
      {latents.length === 0 && <p className="quiet">None: every latent does the same in both.</p>}
      <ol className="hits">
        {latents.slice(0, most).map((latent) => (
          <Hit key={latent.key} {...props} latent={latent} />
        ))}
      </ol>
      {latents.length > most && (
        <button type="button" onClick={() => setMost(most + step)}>
          More
        </button>
      )}
    </section>
  )
}

function Hit(props: {
  board: Board
  names: SideNames
  latent: Listed
  locked: string | undefined
  onHover: (key: string | undefined) => void
  onPlace: (row: number, column: number | undefined, key: string) => void
}) {
  const { board, latent } = props
  const column = latent.column === undefined ? undefined : board.columns[latent.column]
  return (
    <li
      className="hit"
      aria-current={latent.key === props.locked ? true : undefined}
      onPointerEnter={(e) => e.pointerType === 'mouse' && props.onHover(latent.key)}
      onPointerLeave={() => props.onHover(undefined)}
      onFocus={() => props.onHover(latent.key)}
      onBlur={() => props.onHover(undefined)}
    >
      <LatentLink chip={latent.chip} />
      <span className="hit-why quiet">
        <button
          type="button"
          className="action"
          onClick={() => props.onPlace(latent.row, latent.column, latent.key)}
        >
          {column ? (
            <bdi className="piece">{(column.pieceB ?? column.pieceA)?.trim() || '␣'}</bdi>
          ) : (
            'light'
          )}
        </button>{' '}
        {short(latent.a)} → {short(latent.b)}
        {latent.kind === 'gained' && `, nowhere in ${props.names.a}`}
        {latent.kind === 'lost' && `, nowhere in ${props.names.b}`}
      </span>
      <span className="effect-value">
        <EffectBar effect={latent.effect} />
        <span className="value">{signed(latent.effect, short)}</span>
      </span>
      <SteerLink sae={latent.chip.sae} index={latent.chip.index} />
    </li>
  )
}
