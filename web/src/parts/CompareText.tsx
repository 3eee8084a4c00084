/** One of two texts that are compared: tokens tinted by how much changes on them, those of this text alone underlined. */
import { memo, useEffect, useMemo, useRef } from 'react'
import { tint } from '../format/tint.ts'
import type { Board } from '../state/comparison.ts'

/** A text as running tokens; the strip is its equal for the keyboard. */
export const CompareText = memo(function CompareText(props: {
  board: Board
  side: 'a' | 'b'
  name: string
  /** The column in focus or under the pointer. */
  column: number
  onHover: (column: number | undefined) => void
  onSelect: (column: number) => void
}) {
  const { board, side, column, onHover, onSelect } = props
  const at = (target: EventTarget): number | undefined => {
    const c = target instanceof HTMLElement ? target.dataset.c : undefined
    return c === undefined ? undefined : Number(c)
  }
  const text = useRef<HTMLParagraphElement>(null)
  const tokens = useMemo(() => tokensOf(board, side), [board, side])
  // The mark is moved by hand: for thousands of tokens it would be late if all were rendered anew.
  // biome-ignore lint/correctness/useExhaustiveDependencies: new tokens are without the mark
  useEffect(() => {
    const box = text.current
    const token = box?.querySelector<HTMLElement>(`[data-c="${column}"]`)
    if (!box || !token) return
    const [top, bottom] = [token.offsetTop - box.offsetTop, token.offsetHeight]
    if (top < box.scrollTop) box.scrollTop = top
    else if (top + bottom > box.scrollTop + box.clientHeight)
      box.scrollTop = top + bottom - box.clientHeight
    token.classList.add('at')
    return () => token.classList.remove('at')
  }, [column, tokens])
  return (
    <div className={`compare-text side-${side}`}>
      <h2>{props.name}</h2>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the strip below does the same by arrow keys */}
      <p
        ref={text}
        onPointerOver={(e) => e.pointerType === 'mouse' && onHover(at(e.target))}
        onPointerLeave={() => onHover(undefined)}
        onClick={(e) => {
          const c = at(e.target)
          if (c !== undefined) onSelect(c)
        }}
      >
        {tokens}
      </p>
    </div>
  )
})

const tokensOf = (board: Board, side: 'a' | 'b') =>
  board.columns.map((one, c) => {
    const piece = side === 'a' ? one.pieceA : one.pieceB
    const token = one[side]
    if (piece === undefined || token === undefined) return null
    const isSpecial = board.data[side].tokens[token]?.special
    return (
      <span
        // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
        key={c}
        data-c={c}
        className={`t ${one.kind}${isSpecial ? ' special' : ''}`}
        style={one.change ? { '--tint': `${tint(one.change, 1)}%` } : undefined}
      >
        {piece}
      </span>
    )
  })
