/** Beside the strip: one place of the alignment through all sites, and one cell in full. */
import { Link } from '@tanstack/react-router'
import type { CompareCell } from '../../../src/api/index.ts'
import { latentKey } from '../format/names.ts'
import { percent, short } from '../format/numbers.ts'
import { type Board, cellWords, type SideNames } from '../state/comparison.ts'
import { LabelText, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

type Shown = {
  board: Board
  names: SideNames
  lit: string | undefined
  locked: string | undefined
  onHover: (key: string | undefined) => void
  onLock: (key: string) => void
}

/** The panel; the focused site shows all it has, the others their foremost. */
export function CompareCellPanel(props: Shown & { place: { row: number; column: number } }) {
  const { board, names, place } = props
  const column = board.columns[place.column]
  if (!column) return null
  const { pieceA, pieceB, kind, change, kl } = column
  return (
    <aside className="cell-panel compare-cell" aria-label="The token in focus">
      <header>
        <h2>
          {kind !== 'only-b' && <bdi className="piece in-a">{pieceA}</bdi>}
          {kind === 'replaced' && ' → '}
          {(kind === 'only-b' || kind === 'replaced') && <bdi className="piece in-b">{pieceB}</bdi>}
        </h2>
        <p className="quiet">
          {kind === 'same' && 'the same token in both'}
          {kind === 'replaced' && `${names.a} → ${names.b}`}
          {kind === 'only-a' && `only in ${names.a}`}
          {kind === 'only-b' && `only in ${names.b}`}
        </p>
        <p className="fact">
          <Term of="change">change</Term>
          <span>{change === undefined ? '–' : percent(change)}</span>
          <Term of="next_kl">KL of next</Term>
          <span>{short(kl)}</span>
        </p>
      </header>
      {board.rows.map(({ sae, name, hook }, row) => (
        <SiteChanges
          key={sae}
          {...props}
          sae={sae}
          name={name}
          hook={hook}
          cell={board.data.sites[row]?.cells[place.column] ?? null}
          isAlone={kind === 'only-a' || kind === 'only-b'}
          focused={row === place.row}
        />
      ))}
    </aside>
  )
}

function SiteChanges(
  props: Shown & {
    sae: string
    name: string
    hook: string
    cell: CompareCell | null
    isAlone: boolean
    focused: boolean
  },
) {
  const { sae, cell, focused, board } = props
  return (
    <section className={focused ? 'site in-focus' : 'site'}>
      <h3 title={props.hook}>{props.name}</h3>
      <ol>
        {(focused ? cell?.top : cell?.top.slice(0, 1))?.map(({ index, a, b, effect }) => {
          const key = latentKey(sae, index)
          return (
            <li key={key} className={key === props.lit ? 'chip lit' : 'chip'}>
              <button
                type="button"
                className="chip-main"
                aria-pressed={key === props.locked}
                onPointerEnter={(e) => e.pointerType === 'mouse' && props.onHover(key)}
                onPointerLeave={() => props.onHover(undefined)}
                onFocus={() => props.onHover(key)}
                onBlur={() => props.onHover(undefined)}
                onClick={() => props.onLock(key)}
              >
                <EffectBar effect={effect} />
                <LabelText chip={board.chips.get(key)} />
                <span className="value">
                  {short(a)} → {short(b)}
                </span>
              </button>
              {focused && (
                <span className="chip-actions">
                  <Link
                    to="/latent/$sae/$index"
                    params={{ sae, index: String(index) }}
                    className="action"
                    aria-label={`Open latent ${index}`}
                  >
                    open
                  </Link>
                  <SteerLink sae={sae} index={index} />
                </span>
              )}
            </li>
          )
        })}
        {!cell?.top.length && (
          <li className="quiet">{cell ? 'nothing changes' : 'special: not read'}</li>
        )}
      </ol>
      {focused && cell && !props.isAlone && (
        <p className="site-facts quiet">
          {cellWords(cell)}
          {cell.change !== undefined && `; change ${percent(cell.change)}`}
        </p>
      )}
    </section>
  )
}

/** An effect as a bar from the middle: to the right where B has more, to the left where A has. */
export function EffectBar(props: { effect: number }) {
  const share = Math.min(1, Math.abs(props.effect)) * 50
  return (
    <span className={props.effect < 0 ? 'effect less' : 'effect more'} aria-hidden="true">
      <span style={{ inlineSize: `${share}%` }} />
    </span>
  )
}
