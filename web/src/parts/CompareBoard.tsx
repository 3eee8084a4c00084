/** Two runs token by token: both texts, a strip of sites by aligned tokens, one cell in full, and the latents that change most. */
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { PromptComparison } from '../../../src/api/index.ts'
import { parseLatentKey } from '../format/names.ts'
import { readBoard, type SideNames, startPlace } from '../state/comparison.ts'
import { useKeys } from '../state/keys.ts'
import { CompareCellPanel } from './CompareCellPanel.tsx'
import { CompareLatents } from './CompareLatents.tsx'
import { CompareNext } from './CompareNext.tsx'
import { CompareStrip } from './CompareStrip.tsx'
import { CompareText } from './CompareText.tsx'

/** Where one looks: the focused cell as `row.column`, and the locked latent. */
export type BoardPlace = { at?: string; latent?: string }

/** The board. `place` is the address's; hovering shows another cell or latent for as long as it lasts. */
export function CompareBoard(props: {
  data: PromptComparison
  names: SideNames
  place: BoardPlace
  onPlace: (change: (old: BoardPlace) => BoardPlace) => void
}) {
  const { data, names, place, onPlace } = props
  const navigate = useNavigate()
  const board = useMemo(() => readBoard(data), [data])
  const [hover, setHover] = useState<{ row?: number; column: number }>()
  const [hoverLatent, setHoverLatent] = useState<string>()
  const focus = readPlace(place.at, board.rows.length, board.columns.length) ?? startPlace(board)
  const locked = parseLatentKey(place.latent) ? place.latent : undefined
  const lit = hoverLatent ?? locked
  const select = (row: number, column: number) => {
    setHover(undefined)
    onPlace((old) => ({ ...old, at: `${row}.${column}` }))
  }
  const lock = (key: string | undefined) =>
    onPlace(({ latent, ...old }) => (key && key !== latent ? { ...old, latent: key } : old))
  const move = (rows: number, columns: number) => {
    const within = (x: number, end: number) => Math.max(0, Math.min(end - 1, x))
    select(
      within(focus.row + rows, board.rows.length),
      within(focus.column + columns, board.columns.length),
    )
  }
  const strongest = () => {
    const first = data.sites[focus.row]?.cells[focus.column]?.top[0]
    const sae = board.rows[focus.row]?.sae
    return first && sae ? `${sae}/${first.index}` : undefined
  }
  useKeys({
    left: () => move(0, -1),
    right: () => move(0, 1),
    up: () => move(-1, 0),
    down: () => move(1, 0),
    enter: () => lock(strongest()),
    escape: () => lock(undefined),
    o: () => {
      const latent = parseLatentKey(locked ?? strongest())
      if (latent)
        void navigate({
          to: '/latent/$sae/$index',
          params: { sae: latent.sae, index: String(latent.index) },
        })
    },
  })
  const target = { row: hover?.row ?? focus.row, column: hover?.column ?? focus.column }
  const point = (column: number | undefined) =>
    setHover(column === undefined ? undefined : { column })
  const text = { board, column: target.column, onHover: point }
  const choose = (column: number) => select(focus.row, column)
  return (
    <>
      <section className="compare-texts" aria-label="Both texts">
        <CompareText {...text} side="a" name={names.a} onSelect={choose} />
        <CompareText {...text} side="b" name={names.b} onSelect={choose} />
      </section>
      <CompareNext final={data.final} names={names} />
      <div className="instrument">
        <div className="plate">
          <CompareStrip
            board={board}
            focus={focus}
            column={target.column}
            lit={lit}
            locked={locked}
            names={names}
            onHover={setHover}
            onSelect={select}
            onUnlock={() => lock(undefined)}
          />
          {data.left_out.length > 0 && (
            <p className="left-out">Left out: {data.left_out.join('; ')}.</p>
          )}
        </div>
        <CompareCellPanel
          board={board}
          names={names}
          place={target}
          lit={lit}
          locked={locked}
          onHover={setHoverLatent}
          onLock={lock}
        />
        <CompareLatents
          board={board}
          names={names}
          locked={locked}
          onHover={setHoverLatent}
          onPlace={(row, column, key) => {
            if (column !== undefined) select(row, column)
            lock(key)
          }}
        />
      </div>
    </>
  )
}

function readPlace(at: string | undefined, n_rows: number, n_columns: number) {
  const [row, column] = (at ?? '').split('.').map(Number)
  if (row === undefined || column === undefined) return undefined
  return row < Math.max(1, n_rows) && column < n_columns ? { row, column } : undefined
}
