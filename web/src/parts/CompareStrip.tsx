/** Sites by aligned tokens: how much changes in every cell, what is in one text alone, and where a latent changes. */
import { memo, type PointerEvent, useEffect, useId, useRef } from 'react'
import { latentName } from '../format/names.ts'
import { fixed, percent } from '../format/numbers.ts'
import { tint } from '../format/tint.ts'
import type { Board, BoardColumn, SideNames } from '../state/comparison.ts'
import { LabelText } from './LatentLink.tsx'
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
  useEffect(() => {
    const cell = scroller.current?.querySelector<HTMLElement>(`thead [data-c="${focus.column}"]`)
    const box = scroller.current
    if (!box || !cell) return
    const left = cell.offsetLeft - head_px
    if (left < box.scrollLeft) box.scrollLeft = left
    const right = cell.offsetLeft + cell.offsetWidth - box.clientWidth
    if (right > box.scrollLeft) box.scrollLeft = right
  }, [focus.column])
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
          tabIndex={0}
          aria-activedescendant={`${id}-${focus.row}-${focus.column}`}
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
          <Head columns={board.columns} column={props.column} names={props.names} />
          <tbody>
            {board.rows.map(({ sae, name, hook }, row) => (
              <Row
                key={sae}
                id={id}
                board={board}
                row={row}
                name={name}
                hook={hook}
                focused={row === focus.row ? focus.column : undefined}
                lit={trace?.row === row ? trace.columns : undefined}
              />
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" title="KL divergence of the next token’s prediction">
                next
              </th>
              {board.columns.map(({ kl }, c) => (
                <td
                  // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place
                  key={c}
                  data-c={c}
                  title={kl === undefined ? undefined : `KL ${fixed(kl, 3)} nats`}
                  className={kl === undefined ? 'alone' : undefined}
                  style={kl ? { '--tint': `${tint(kl, fullKl_nats)}%` } : undefined}
                />
              ))}
            </tr>
          </tfoot>
        </table>
      </section>
    </section>
  )
}

const head_px = 76

const Head = memo(function Head(props: {
  columns: readonly BoardColumn[]
  column: number
  names: SideNames
}) {
  return (
    <thead>
      <tr>
        <th scope="col" className="corner">
          token
        </th>
        {props.columns.map((one, c) => (
          <th
            // biome-ignore lint/suspicious/noArrayIndexKey: a column is its place
            key={c}
            data-c={c}
            scope="col"
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
        ))}
      </tr>
    </thead>
  )
})

const Row = memo(function Row(props: {
  id: string
  board: Board
  row: number
  name: string
  hook: string
  focused: number | undefined
  lit: ReadonlyMap<number, number> | undefined
}) {
  const { id, board, row, lit } = props
  const cells = board.data.sites[row]?.cells ?? []
  return (
    <tr data-r={row} className={props.focused === undefined ? undefined : 'in-row'}>
      <th scope="row" title={props.hook}>
        {props.name}
      </th>
      {cells.map((cell, c) => {
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
            // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
            key={c}
            id={`${id}-${row}-${c}`}
            data-c={c}
            className={classes.filter(Boolean).join(' ') || undefined}
            aria-label={cell?.change === undefined ? undefined : `change ${percent(cell.change)}`}
            style={style}
          />
        )
      })}
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
