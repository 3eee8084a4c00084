/**
 * Sites by aligned tokens: how much changes in every cell, what is in one text alone, and where a latent changes. Only the cells in
 * sight are in the table, between spacers; aria-rowindex and aria-colindex tell their places.
 */
import { memo, type PointerEvent, useId, useRef } from 'react'
import { latentName } from '../format/names.ts'
import { fixed, percent } from '../format/numbers.ts'
import { tint } from '../format/tint.ts'
import type { Board, BoardColumn, SideNames } from '../state/comparison.ts'
import { LabelText } from './LatentLink.tsx'
import { type Stretch, useStripWindow } from './stripWindow.ts'
import { Term } from './Term.tsx'

/** The KL divergence that gets the full tint. */
const fullKl_nats = 1

type Place = { readonly row: number; readonly column: number }

/** The strip. Arrow keys move the focus (the board listens), Enter locks the latent that changes most. */
export function CompareStrip(props: {
  board: Board
  focus: Place
  /** The column in focus or under the pointer. */
  column: number
  lit: string | undefined
  locked: string | undefined
  names: SideNames
  onHover: (place: { row?: number; column: number } | undefined) => void
  onSelect: (row: number, column: number) => void
  onUnlock: () => void
}) {
  const { board, focus, lit, onHover, onSelect } = props
  const id = useId()
  const scroller = useRef<HTMLDivElement>(null)
  const trace = lit === undefined ? undefined : board.trace(lit)
  const chip = lit === undefined ? undefined : board.chips.get(lit)
  const names = board.rows.map(({ name }) => name)
  const view = useStripWindow(scroller, names, board.columns.length, focus)
  const { columns, rows } = view
  const { first, end, before, after } = columns
  // Not the stretch itself: what is the same must be seen to be.
  const span = { first, end, before, after }
  const isIn = (at: number, stretch: Stretch) => at >= stretch.first && at < stretch.end
  const isInSight = isIn(focus.column, columns) && isIn(focus.row, rows)
  const hover = (event: PointerEvent) => {
    if (event.pointerType === 'mouse') onHover(placeOf(event.target))
  }
  return (
    <section aria-label="Change by site and token">
      <div className="legend">
        {chip ? (
          <p>
            <span className="place">{latentName(chip.hook, chip.index)}</span>{' '}
            <LabelText chip={chip} />{' '}
            <span className="quiet">
              {trace
                ? `among those that change most on ${trace.columns.size} of ${board.columns.length} tokens`
                : 'nowhere among those that change most'}
            </span>
          </p>
        ) : (
          <p className="quiet">
            <span className="swatch" aria-hidden="true" />{' '}
            <Term of="change">share of latent strength that differs</Term>{' '}
            <span className="only-wide">
              <span className="swatch-alone" aria-hidden="true" /> a token of one text alone
            </span>
          </p>
        )}
        {props.locked !== undefined && (
          <button type="button" className="action" onClick={props.onUnlock}>
            unlock <kbd>Esc</kbd>
          </button>
        )}
      </div>
      <section className="grid-scroll" ref={scroller} aria-label="Strip" tabIndex={-1}>
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: the board listens for the arrow keys and Enter */}
        <table
          // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a table is what a grid is made of
          role="grid"
          className={trace && lit === props.locked ? 'strip lighting' : 'strip'}
          style={{ inlineSize: view.width }}
          tabIndex={0}
          aria-rowcount={board.rows.length + 2}
          aria-colcount={board.columns.length + 1}
          aria-activedescendant={isInSight ? `${id}-${focus.row}-${focus.column}` : undefined}
          aria-describedby={`${id}-how`}
          onPointerOver={hover}
          onPointerLeave={() => onHover(undefined)}
          onClick={(event) => {
            const place = placeOf(event.target)
            if (place) onSelect(place.row ?? focus.row, place.column)
          }}
        >
          <caption id={`${id}-how`} className="hidden">
            Rows are sites from the input to the output of the model, columns are the tokens of both
            texts beside each other. Arrow keys move, Enter locks the latent that changes most,
            Escape unlocks.
          </caption>
          <colgroup>
            <col style={{ inlineSize: view.name }} />
            {before > 0 && <col style={{ inlineSize: before }} />}
            <col span={end - first} style={{ inlineSize: view.cell }} />
            {after > 0 && <col style={{ inlineSize: after }} />}
          </colgroup>
          <Head {...span} columns={board.columns} column={props.column} names={props.names} />
          <tbody>
            <Gap block={rows.before} />
            {board.rows.slice(rows.first, rows.end).map(({ sae, name, hook }, i) => {
              const row = rows.first + i
              return (
                <Row
                  key={sae}
                  {...span}
                  id={id}
                  board={board}
                  row={row}
                  name={name}
                  hook={hook}
                  focused={row === focus.row ? focus.column : undefined}
                  lit={trace?.row === row ? trace.columns : undefined}
                />
              )
            })}
            <Gap block={rows.after} />
          </tbody>
          <Next {...span} columns={board.columns} row={board.rows.length + 2} />
        </table>
      </section>
    </section>
  )
}

/** Rows out of sight. */
const Gap = (props: { block: number }) =>
  props.block > 0 && (
    // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: room, not a row of the grid
    <tr className="gap" role="presentation">
      <td role="presentation" style={{ blockSize: props.block }} />
    </tr>
  )

/** Columns out of sight. */
const Aside = (props: { inline: number }) =>
  props.inline > 0 && <td role="presentation" className="gap" />

const Head = memo(function Head(
  props: Stretch & { columns: readonly BoardColumn[]; column: number; names: SideNames },
) {
  const { first, end } = props
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" className="corner" aria-colindex={1}>
          token
        </th>
        <Aside inline={props.before} />
        {props.columns.slice(first, end).map((one, i) => {
          const c = first + i
          return (
            <th
              key={c}
              data-c={c}
              scope="col"
              aria-colindex={c + 2}
              className={`${one.kind}${c === props.column ? ' in-column' : ''}`}
              title={columnWords(one, props.names)}
            >
              {one.kind !== 'only-b' && (
                <bdi className="piece in-a">{one.pieceA?.trimStart() || '␣'}</bdi>
              )}
              {(one.kind === 'only-b' || one.kind === 'replaced') && (
                <bdi className="piece in-b">{one.pieceB?.trimStart() || '␣'}</bdi>
              )}
            </th>
          )
        })}
        <Aside inline={props.after} />
      </tr>
    </thead>
  )
})

/** How far the predictions behind every pair of tokens are apart. */
const Next = memo(function Next(props: Stretch & { columns: readonly BoardColumn[]; row: number }) {
  const { first, end } = props
  return (
    <tfoot>
      <tr aria-rowindex={props.row}>
        <th scope="row" aria-colindex={1} title="KL divergence of the next token’s prediction">
          next
        </th>
        <Aside inline={props.before} />
        {props.columns.slice(first, end).map(({ kl }, i) => {
          const c = first + i
          return (
            <td
              key={c}
              data-c={c}
              aria-colindex={c + 2}
              title={kl === undefined ? undefined : `KL ${fixed(kl, 3)} nats`}
              className={kl === undefined ? 'alone' : undefined}
              style={kl ? { '--tint': `${tint(kl, fullKl_nats)}%` } : undefined}
            />
          )
        })}
        <Aside inline={props.after} />
      </tr>
    </tfoot>
  )
})

const Row = memo(function Row(
  props: Stretch & {
    id: string
    board: Board
    row: number
    name: string
    hook: string
    focused: number | undefined
    lit: ReadonlyMap<number, number> | undefined
  },
) {
  const { id, board, row, lit, first, end } = props
  const cells = board.data.sites[row]?.cells ?? []
  return (
    <tr
      data-r={row}
      aria-rowindex={row + 2}
      className={props.focused === undefined ? undefined : 'in-row'}
    >
      <th scope="row" aria-colindex={1} title={props.hook}>
        {props.name}
      </th>
      <Aside inline={props.before} />
      {cells.slice(first, end).map((cell, i) => {
        const c = first + i
        const kind = board.columns[c]?.kind
        const classes = [
          (kind === 'only-a' || kind === 'only-b') && 'alone',
          c === props.focused && 'focused',
          lit?.has(c) && 'lit',
        ]
        const change = cell?.change ?? 0
        const style = {
          ...(change > 0 ? { '--tint': `${tint(change, 1)}%` } : {}),
          ...(lit?.has(c) ? { '--lit': `${tint(lit.get(c) ?? 0, 1)}%` } : {}),
        }
        return (
          <td
            key={c}
            id={`${id}-${row}-${c}`}
            data-c={c}
            aria-colindex={c + 2}
            className={classes.filter(Boolean).join(' ') || undefined}
            aria-label={cell?.change === undefined ? undefined : `change ${percent(cell.change)}`}
            style={style}
          />
        )
      })}
      <Aside inline={props.after} />
    </tr>
  )
})

function columnWords({ kind, pieceA, pieceB }: BoardColumn, names: SideNames): string {
  if (kind === 'same') return `${pieceA}`
  if (kind === 'replaced') return `${pieceA} in ${names.a}, ${pieceB} in ${names.b}`
  return kind === 'only-a' ? `${pieceA}, only in ${names.a}` : `${pieceB}, only in ${names.b}`
}

function placeOf(target: EventTarget | null): { row?: number; column: number } | undefined {
  const element = target instanceof Element ? target.closest<HTMLElement>('[data-c]') : null
  if (!element) return undefined
  const row = element.closest<HTMLElement>('[data-r]')?.dataset.r
  return { ...(row === undefined ? {} : { row: Number(row) }), column: Number(element.dataset.c) }
}
