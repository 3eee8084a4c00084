/** Beside the grid: one token through all layers, and one cell in full. */
import { Link } from '@tanstack/react-router'
import { latentKey, visiblePiece } from '../format/names.ts'
import { fixed, percent, short } from '../format/numbers.ts'
import { type Sheet, type SheetRow, strengthOf } from '../state/sheet.ts'
import type { Cell } from './Grid.tsx'
import { LabelText, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

/** The panel; the focused site shows all its latents, the others their strongest. */
export function CellPanel(props: {
  sheet: Sheet
  cell: Cell
  lit: string | undefined
  locked: string | undefined
  onHoverLatent: (key: string | undefined) => void
  onLock: (key: string) => void
}) {
  const { sheet, cell } = props
  const token = sheet.tokens[cell.column]
  if (!token) return null
  return (
    <aside className="cell-panel" aria-label="The token in focus">
      <header>
        <h2>
          <bdi className="piece">{visiblePiece(token.piece, 'shown')}</bdi>
        </h2>
        <p className="quiet">
          token {cell.column} of {sheet.columns - 1}
          {token.special && ', special: out of statistics'}
        </p>
        <p className="fact">
          <Term of="loss">loss</Term>
          <span>{fixed(sheet.token_loss[cell.column], 2)} nats</span>
        </p>
      </header>
      {sheet.rows.map((row, r) => (
        <SiteLatents key={row.sae} {...props} row={row} focused={r === cell.row} />
      ))}
      <section className="site next">
        <h3>next</h3>
        <ol>
          {(sheet.predictions[cell.column] ?? []).map((guess) => (
            <li key={guess.piece} className="guess">
              <bdi className="piece">{visiblePiece(guess.piece, 'shown')}</bdi>
              <span className="meter">
                <span style={{ inlineSize: `${guess.p * 100}%` }} />
              </span>
              <span className="value">{percent(guess.p)}</span>
            </li>
          ))}
        </ol>
      </section>
    </aside>
  )
}

function SiteLatents(props: {
  sheet: Sheet
  cell: Cell
  row: SheetRow
  focused: boolean
  lit: string | undefined
  locked: string | undefined
  onHoverLatent: (key: string | undefined) => void
  onLock: (key: string) => void
}) {
  const { sheet, row, cell, focused } = props
  const all = row.cells?.[cell.column]
  const shown = focused ? all : all?.slice(0, 1)
  return (
    <section className={focused ? 'site in-focus' : 'site'}>
      <h3 title={row.hook}>{row.name}</h3>
      <ol>
        {shown?.map((active) => {
          const key = latentKey(row.sae, active.index)
          const chip = sheet.latents.get(key)
          return (
            <li key={key} className={key === props.lit ? 'chip lit' : 'chip'}>
              <button
                type="button"
                className="chip-main"
                aria-pressed={key === props.locked}
                title={chip?.label}
                onPointerEnter={(e) => e.pointerType === 'mouse' && props.onHoverLatent(key)}
                onPointerLeave={() => props.onHoverLatent(undefined)}
                onFocus={() => props.onHoverLatent(key)}
                onBlur={() => props.onHoverLatent(undefined)}
                onClick={() => props.onLock(key)}
              >
                <span className="meter">
                  <span style={{ inlineSize: `${Math.min(1, strengthOf(active, chip)) * 100}%` }} />
                </span>
                <LabelText chip={chip} />
                <span className="value">{short(active.act)}</span>
              </button>
              {focused && (
                <span className="chip-actions">
                  <Link
                    to="/latent/$sae/$index"
                    params={{ sae: row.sae, index: String(active.index) }}
                    className="action"
                    aria-label={`Open latent ${active.index}`}
                  >
                    open
                  </Link>
                  <SteerLink sae={row.sae} index={active.index} />
                </span>
              )}
            </li>
          )
        })}
        {!row.cells && <li className="quiet">{row.waitingFor}</li>}
        {row.cells && !all?.length && <li className="quiet">nothing shown here</li>}
      </ol>
      {focused && row.cells && (
        <p className="site-facts quiet">
          {row.l0?.[cell.column] ?? '–'} active, <Term of="fvu">FVU</Term>{' '}
          {short(row.fvu?.[cell.column])}
        </p>
      )}
    </section>
  )
}
