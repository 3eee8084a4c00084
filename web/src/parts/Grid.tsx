/**
 * Layers by tokens as one table. The input is at the top, then the sites in the order of the pass, deepest last,
 * and at the foot what the model predicts next: a column read downwards is the pass of one token.
 * Rows are rendered once a text; focus and light are classes set on the cells, so hovering renders nothing.
 */
import { memo, type PointerEvent, useEffect, useId, useRef } from 'react'
import type { LatentChip } from '../../../src/api/index.ts'
import { briefLabel, latentKey, visiblePiece } from '../format/names.ts'
import { percent } from '../format/numbers.ts'
import { lossHeight, tint } from '../format/tint.ts'
import { type Sheet, type SheetRow, strengthOf } from '../state/sheet.ts'

/** Up to this many rows the cells are taller, and show more of their labels. */
const fewRows = 10

/** A place in the grid. */
export type Cell = { readonly row: number; readonly column: number }

/** The grid. `onSelect` gets whether the strongest latent is to be locked too (a cell) or not (a token). */
export const Grid = memo(function Grid(props: {
  sheet: Sheet
  focus: Cell
  lit: string | undefined
  /** Whether the light is to stay: then all else steps back. */
  alone: boolean
  narrow: boolean
  onHover: (cell: Cell | undefined) => void
  onSelect: (cell: Cell, lock: boolean) => void
}) {
  const { sheet, focus, lit, onHover, onSelect } = props
  const table = useRef<HTMLTableElement>(null)
  const scroller = useRef<HTMLDivElement>(null)
  const lastHover = useRef<string>(undefined)
  const id = useId()
  useFocusMark(table, scroller, focus)
  useLight(table, sheet, lit, props.alone)

  const hover = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse') return
    const place = placeOf(event.target, focus.row)
    const key = place && `${place.cell.row}.${place.cell.column}`
    if (key === lastHover.current) return
    lastHover.current = key
    onHover(place?.cell)
  }
  const leave = () => {
    lastHover.current = undefined
    onHover(undefined)
  }

  return (
    <section className="grid-scroll" ref={scroller} aria-label="Layers by tokens" tabIndex={-1}>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the view listens for the arrow keys and Enter */}
      <table
        ref={table}
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table is what a grid is made of
        role="grid"
        className={
          props.narrow ? 'grid narrow' : sheet.rows.length > fewRows ? 'grid' : 'grid tall'
        }
        tabIndex={0}
        aria-activedescendant={`${id}-${focus.row}-${focus.column}`}
        aria-describedby={`${id}-how`}
        onPointerOver={hover}
        onPointerLeave={leave}
        onClick={(event) => {
          const place = placeOf(event.target, focus.row)
          if (place) onSelect(place.cell, place.inBody)
        }}
      >
        <caption id={`${id}-how`} className="hidden">
          Rows are sites from the input to the output of the model, columns are tokens. Arrow keys
          move, Enter locks the strongest latent, Escape unlocks.
        </caption>
        <TokenHead sheet={sheet} />
        <tbody>
          {sheet.rows.map((row, r) => (
            <GridRow
              key={row.sae}
              id={id}
              row={row}
              r={r}
              tokens={sheet.tokens}
              latents={sheet.latents}
            />
          ))}
        </tbody>
        <Predictions sheet={sheet} />
      </table>
    </section>
  )
})

const TokenHead = memo(function TokenHead(props: { sheet: Sheet }) {
  const { tokens, token_loss } = props.sheet
  return (
    <thead>
      <tr>
        <th className="corner" scope="col">
          token
        </th>
        {tokens.map((token, c) => (
          <th
            // biome-ignore lint/suspicious/noArrayIndexKey: a token is its position
            key={c}
            data-c={c}
            scope="col"
            className={token.special ? 'special' : undefined}
            style={{ '--loss': `${lossHeight(token_loss[c])}px` }}
          >
            <span className="piece">{visiblePiece(token.piece).trimStart() || '␣'}</span>
          </th>
        ))}
      </tr>
    </thead>
  )
})

const GridRow = memo(function GridRow(props: {
  id: string
  row: SheetRow
  r: number
  tokens: Sheet['tokens']
  latents: ReadonlyMap<string, LatentChip>
}) {
  const { id, row, r, tokens, latents } = props
  return (
    <tr data-r={r}>
      <th scope="row" title={row.hook}>
        {row.name}
      </th>
      {row.cells ? (
        row.cells.map((cell, c) => {
          const first = cell[0]
          const chip = first && latents.get(latentKey(row.sae, first.index))
          const strength = first ? strengthOf(first, chip) : 0
          return (
            <td
              // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its position
              key={c}
              id={`${id}-${r}-${c}`}
              data-c={c}
              className={tokens[c]?.special ? 'special' : undefined}
              style={first ? { '--tint': `${tint(strength, 1)}%` } : undefined}
            >
              {first && <bdi>{chip?.label ? briefLabel(chip.label) : first.index}</bdi>}
            </td>
          )
        })
      ) : (
        <td id={`${id}-${r}-0`} className="pending" colSpan={tokens.length}>
          <span>{row.waitingFor}</span>
        </td>
      )}
    </tr>
  )
})

const Predictions = memo(function Predictions(props: { sheet: Sheet }) {
  return (
    <tfoot>
      <tr>
        <th scope="row">next</th>
        {props.sheet.predictions.map((list, c) => {
          const first = list[0]
          return (
            <td
              // biome-ignore lint/suspicious/noArrayIndexKey: a column is its position
              key={c}
              data-c={c}
              className={props.sheet.tokens[c]?.special ? 'special' : undefined}
            >
              {first && (
                <>
                  <bdi className="piece">{visiblePiece(first.piece).trimStart() || '␣'}</bdi>
                  <span className="p">{percent(first.p)}</span>
                </>
              )}
            </td>
          )
        })}
      </tr>
    </tfoot>
  )
})

/** The cell or token under a pointer; in head and foot the row of the focus is kept. */
function placeOf(
  target: EventTarget | null,
  focusRow: number,
): { cell: Cell; inBody: boolean } | undefined {
  const element = target instanceof Element ? target.closest<HTMLElement>('[data-c]') : null
  if (!element) return undefined
  const row = element.closest<HTMLElement>('[data-r]')?.dataset.r
  const column = Number(element.dataset.c)
  return {
    cell: { row: row === undefined ? focusRow : Number(row), column },
    inBody: row !== undefined,
  }
}

/** Marks the focused cell and its column, and once it has moved keeps it in sight without moving the page. */
function useFocusMark(
  table: React.RefObject<HTMLTableElement | null>,
  scroller: React.RefObject<HTMLDivElement | null>,
  focus: Cell,
): void {
  const { row, column } = focus
  const shown = useRef(`${row}.${column}`)
  useEffect(() => {
    const marked: Element[] = []
    const mark = (selector: string, name: string) => {
      const element = table.current?.querySelector(selector)
      element?.classList.add(name)
      if (element) marked.push(element)
      return element
    }
    mark(`thead [data-c="${column}"]`, 'in-column')
    mark(`tfoot [data-c="${column}"]`, 'in-column')
    mark(`tr[data-r="${row}"]`, 'in-row')
    const cell = mark(`tr[data-r="${row}"] [data-c="${column}"]`, 'focused')
    if (shown.current !== `${row}.${column}`) {
      shown.current = `${row}.${column}`
      keepInSight(scroller.current, cell)
    }
    return () => {
      for (const element of marked) element.classList.remove('in-column', 'in-row', 'focused')
    }
  })
}

const rowHead_px = 72

function keepInSight(scroller: HTMLElement | null, cell: Element | null | undefined): void {
  if (!scroller || !(cell instanceof HTMLElement)) return
  const left = cell.offsetLeft
  const right = left + cell.offsetWidth
  if (left < scroller.scrollLeft + rowHead_px) scroller.scrollLeft = left - rowHead_px
  else if (right > scroller.scrollLeft + scroller.clientWidth)
    scroller.scrollLeft = right - scroller.clientWidth
}

/** Marks the cells and tokens where a latent is active; `alone` dims all others. */
function useLight(
  table: React.RefObject<HTMLTableElement | null>,
  sheet: Sheet,
  lit: string | undefined,
  alone: boolean,
): void {
  useEffect(() => {
    const trace = lit === undefined ? undefined : sheet.trace(lit)
    if (!trace || !table.current) return
    const root = table.current
    const row = root.querySelector(`tr[data-r="${trace.row}"]`)
    const head = root.tHead?.rows[0]
    const marked: HTMLElement[] = []
    for (const [column, { strength }] of trace.columns) {
      // The first cell of every row is its name.
      for (const element of [row?.children[column + 1], head?.children[column + 1]]) {
        if (!(element instanceof HTMLElement)) continue
        element.classList.add('lit')
        element.style.setProperty('--lit', `${tint(strength, 1)}%`)
        marked.push(element)
      }
    }
    row?.classList.add('lit-row')
    if (alone) root.classList.add('lighting')
    return () => {
      root.classList.remove('lighting')
      row?.classList.remove('lit-row')
      for (const element of marked) {
        element.classList.remove('lit')
        element.style.removeProperty('--lit')
      }
    }
  }, [table, sheet, lit, alone])
}
