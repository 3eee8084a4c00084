/**
 * Layers by tokens as one table. The input is at the top, then the sites in the order of the pass, deepest last,
 * and at the foot what the model predicts next: a column read downwards is the pass of one token.
 * Only the rows and columns in sight are in the table, between spacers, so that a thousand rows cost as much as twenty; their
 * places are told by aria-rowindex and aria-colindex.
 */
import { memo, type PointerEvent, useId, useMemo, useRef } from 'react'
import type { LatentChip } from '../../../src/api/index.ts'
import { briefLabel, visiblePiece } from '../format/names.ts'
import { percent } from '../format/numbers.ts'
import { lossHeight, tint } from '../format/tint.ts'
import type { ActiveLatent, Sheet, SheetRow } from '../state/sheet.ts'
import { type Cell, type GridMode, useGridWindow } from './gridWindow.ts'

/** Up to this many rows the cells are taller, and show more of their labels. */
const fewRows = 10

type GridProps = {
  sheet: Sheet
  focus: Cell
  lit: string | undefined
  /** Whether the light is to stay: then all else steps back. */
  alone: boolean
  narrow: boolean
  onHover: (cell: Cell | undefined) => void
  /** Gets whether the strongest latent is to be locked too (a cell) or not (a token). */
  onSelect: (cell: Cell, lock: boolean) => void
}

/** The grid. */
export const Grid = memo(function Grid(props: GridProps) {
  const mode = props.narrow ? 'narrow' : props.sheet.rows.length > fewRows ? 'usual' : 'tall'
  // Other sizes are another grid: what was measured of the one before says nothing of it.
  return <SizedGrid key={mode} {...props} mode={mode} />
})

function SizedGrid(props: GridProps & { mode: GridMode }) {
  const { sheet, focus, lit, mode, onHover, onSelect } = props
  const scroller = useRef<HTMLDivElement>(null)
  const lastHover = useRef<string>(undefined)
  const id = useId()
  const view = useGridWindow(sheet, mode, scroller, focus)
  const trace = useMemo(() => (lit === undefined ? undefined : sheet.trace(lit)), [sheet, lit])
  const { columns, rows, px } = view
  const first = columns[0]?.index ?? 0
  const end = (columns.at(-1)?.index ?? -1) + 1
  const span = { sheet, first, end, before: view.before, after: view.after }
  const isInSight =
    focus.column >= first &&
    focus.column < end &&
    rows.some(({ index }) => index === focus.row) &&
    sheet.rows[focus.row] !== undefined

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
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table is what a grid is made of
        role="grid"
        className={`grid ${mode}${props.alone && trace ? ' lighting' : ''}`}
        style={{
          '--row': `${px.row}px`,
          '--head': `${px.head}px`,
          '--foot': `${px.foot}px`,
          inlineSize: view.width,
        }}
        tabIndex={0}
        aria-rowcount={sheet.rows.length + 2}
        aria-colcount={sheet.columns + 1}
        aria-activedescendant={isInSight ? `${id}-${focus.row}-${focus.column}` : undefined}
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
        <colgroup>
          <col style={{ inlineSize: px.name }} />
          {view.before > 0 && <col style={{ inlineSize: view.before }} />}
          {columns.map(({ index, size }) => (
            <col key={index} style={{ inlineSize: size }} />
          ))}
          {view.after > 0 && <col style={{ inlineSize: view.after }} />}
        </colgroup>
        <TokenHead {...span} focus={focus.column} lit={trace?.columns} />
        <tbody>
          {view.above > 0 && <Gap block={view.above} />}
          {rows.map(({ index: r }) => {
            const row = sheet.rows[r]
            return (
              row && (
                <GridRow
                  key={row.sae}
                  {...span}
                  id={id}
                  row={row}
                  r={r}
                  focus={r === focus.row ? focus.column : undefined}
                  lit={r === trace?.row ? trace.columns : undefined}
                />
              )
            )
          })}
          {view.below > 0 && <Gap block={view.below} />}
        </tbody>
        <Predictions {...span} focus={focus.column} />
      </table>
    </section>
  )
}

/** Rows out of sight. */
const Gap = (props: { block: number }) => (
  // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: room, not a row of the grid
  <tr className="gap" role="presentation">
    <td role="presentation" style={{ blockSize: props.block }} />
  </tr>
)

/** Columns out of sight. */
const Aside = (props: { inline: number }) =>
  props.inline > 0 && <td role="presentation" className="gap" />

/** Columns first .. end - 1, and the px of those before and after them. */
type Span = { sheet: Sheet; first: number; end: number; before: number; after: number }
type LitColumns = ReadonlyMap<number, { readonly weight: number }> | undefined

const TokenHead = memo(function TokenHead(props: Span & { focus: number; lit: LitColumns }) {
  const { sheet, first, end, focus, lit } = props
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th className="corner" scope="col" aria-colindex={1}>
          token
        </th>
        <Aside inline={props.before} />
        {sheet.tokens.slice(first, end).map((token, i) => {
          const c = first + i
          const weight = lit?.get(c)?.weight
          return (
            <th
              key={c}
              data-c={c}
              scope="col"
              aria-colindex={c + 2}
              className={classes({
                special: token.special,
                'in-column': c === focus,
                lit: weight !== undefined,
                down: (weight ?? 0) < 0,
              })}
              style={{
                '--loss': `${lossHeight(sheet.token_loss[c])}px`,
                ...(weight === undefined ? {} : { '--lit': `${tint(Math.abs(weight), 1)}%` }),
              }}
            >
              <span className="piece">{visiblePiece(token.piece).trimStart() || '␣'}</span>
            </th>
          )
        })}
        <Aside inline={props.after} />
      </tr>
    </thead>
  )
})

const GridRow = memo(function GridRow(
  props: Span & {
    id: string
    row: SheetRow
    r: number
    focus: number | undefined
    lit: LitColumns
  },
) {
  const { id, sheet, row, r, first, end, focus, lit } = props
  return (
    <tr
      data-r={r}
      aria-rowindex={r + 2}
      className={classes({ 'lit-row': lit !== undefined, 'in-row': focus !== undefined })}
    >
      <th scope="row" title={row.hook} aria-colindex={1}>
        {row.name}
        {row.variant && <span className="variant">{row.variant}</span>}
      </th>
      {row.cells ? (
        <>
          <Aside inline={props.before} />
          {row.cells.slice(first, end).map((cell, i) => {
            const c = first + i
            return (
              <GridCell
                key={c}
                id={`${id}-${r}-${c}`}
                c={c}
                sheet={sheet}
                row={row}
                active={cell[0]}
                focused={c === focus}
                lit={lit?.get(c)?.weight}
              />
            )
          })}
          <Aside inline={props.after} />
        </>
      ) : (
        <td
          id={`${id}-${r}-${first}`}
          className="pending"
          aria-colindex={2}
          colSpan={end - first + Number(props.before > 0) + Number(props.after > 0)}
        >
          <span>{row.waitingFor}</span>
        </td>
      )}
    </tr>
  )
})

const GridCell = memo(function GridCell(props: {
  id: string
  c: number
  sheet: Sheet
  row: SheetRow
  active: ActiveLatent | undefined
  focused: boolean
  lit: number | undefined
}) {
  const { id, c, sheet, row, active, focused, lit } = props
  const weight = active ? sheet.weight(row, active) : 0
  return (
    <td
      id={id}
      data-c={c}
      aria-colindex={c + 2}
      className={classes({
        special: sheet.tokens[c]?.special,
        focused,
        lit: lit !== undefined,
        down: (lit ?? weight) < 0,
      })}
      style={{
        ...(active ? { '--tint': `${tint(Math.abs(weight), 1)}%` } : {}),
        ...(lit === undefined ? {} : { '--lit': `${tint(Math.abs(lit), 1)}%` }),
      }}
    >
      {active && <bdi>{nameOf(active, sheet.chip(row.sae, active.index))}</bdi>}
    </td>
  )
})

const nameOf = ({ index }: ActiveLatent, chip: LatentChip | undefined): string | number =>
  chip?.label ? briefLabel(chip.label) : index

const Predictions = memo(function Predictions(props: Span & { focus: number }) {
  const { sheet, first, end, focus } = props
  return (
    <tfoot>
      <tr aria-rowindex={sheet.rows.length + 2}>
        <th scope="row" aria-colindex={1}>
          next
        </th>
        <Aside inline={props.before} />
        {sheet.predictions.slice(first, end).map(([best], i) => {
          const c = first + i
          return (
            <td
              key={c}
              data-c={c}
              aria-colindex={c + 2}
              className={classes({
                special: sheet.tokens[c]?.special,
                'in-column': c === focus,
              })}
            >
              {best && (
                <>
                  <bdi className="piece">{visiblePiece(best.piece).trimStart() || '␣'}</bdi>
                  <span className="p">{percent(best.p)}</span>
                </>
              )}
            </td>
          )
        })}
        <Aside inline={props.after} />
      </tr>
    </tfoot>
  )
})

/** The names whose condition holds; undefined where none does. */
function classes(names: Readonly<Record<string, boolean | undefined>>): string | undefined {
  const held = Object.keys(names).filter((name) => names[name])
  return held.length > 0 ? held.join(' ') : undefined
}

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
