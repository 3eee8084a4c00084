/** Beside the grid: one token through all layers, by its latents or as a profile over depth, and one cell in full. */
import { memo } from 'react'
import { parseLatentKey, visiblePiece } from '../format/names.ts'
import { fixed, percent } from '../format/numbers.ts'
import type { Sheet } from '../state/sheet.ts'
import { DepthProfile } from './DepthProfile.tsx'
import type { Cell } from './gridWindow.ts'
import { type Chosen, SiteLatents } from './SiteLatents.tsx'
import { Term } from './Term.tsx'

/** The panel; the focused site shows all its latents, the others their strongest. */
export const CellPanel = memo(function CellPanel(
  props: Chosen & {
    sheet: Sheet
    text: string
    suite: string | undefined
    cell: Cell
    depth: boolean
    onDepth: (depth: boolean) => void
  },
) {
  const { sheet, cell, depth, lit, locked, onHoverLatent, onLock } = props
  const chosen = { lit, locked, onHoverLatent, onLock }
  const { column } = cell
  const token = sheet.tokens[column]
  if (!token) return null
  return (
    <aside className="cell-panel" aria-label="The token in focus">
      <header>
        <h2>
          <bdi className="piece">{visiblePiece(token.piece, 'shown')}</bdi>
        </h2>
        <fieldset className="chips">
          <legend className="hidden">What the panel shows</legend>
          {(['latents', 'depth'] as const).map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="panel"
                checked={depth === (name === 'depth')}
                onChange={() => props.onDepth(name === 'depth')}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <p className="quiet">
          token {column} of {sheet.columns - 1}
          {token.special && ', special: out of statistics'}
        </p>
        <p className="fact">
          <Term of="loss">loss</Term>
          <span>{fixed(sheet.token_loss[column], 2)} nats</span>
        </p>
      </header>
      {depth ? (
        <DepthProfile
          text={props.text}
          suite={props.suite}
          column={column}
          sheet={sheet}
          chosen={chosen}
        />
      ) : (
        <>
          {sheet.rows.map((row, r) => (
            <SiteLatents
              key={row.sae}
              sheet={sheet}
              column={column}
              row={row}
              focused={r === cell.row}
              // Only its own latents concern a site: what is lit elsewhere need not draw it anew.
              lit={isOf(row.sae, lit) ? lit : undefined}
              locked={isOf(row.sae, locked) ? locked : undefined}
              onHoverLatent={onHoverLatent}
              onLock={onLock}
            />
          ))}
          <section className="site next">
            <h3>next</h3>
            <ol>
              {(sheet.predictions[column] ?? []).map((guess) => (
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
        </>
      )}
    </aside>
  )
})

const isOf = (sae: string, key: string | undefined): boolean => parseLatentKey(key)?.sae === sae
