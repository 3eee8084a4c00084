/** Which part of the strip is in the document: what is in sight and a little around it. All cells are of one size, so none is measured. */
import { type Range, useVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useEffect, useRef } from 'react'

/** In rem: a cell, the rows of tokens and of predictions, a character of a site's name, and what surrounds the name. */
const sizes = { cell: 1.375, row: 1.5, head: 6, foot: 1, letter: 0.4, beside: 0.9 } as const
/** The table changes once in so many columns or rows. */
const block = 8

type Place = { readonly row: number; readonly column: number }
/** Items first .. end - 1 are shown; before and after them lie so many px. */
export type Stretch = {
  readonly first: number
  readonly end: number
  readonly before: number
  readonly after: number
}
export type StripWindow = {
  readonly columns: Stretch
  readonly rows: Stretch
  /** In px. */
  readonly name: number
  readonly cell: number
  readonly row: number
  readonly width: number
}

/** Follows the scroller, and keeps the focused cell in sight. */
export function useStripWindow(
  scroller: RefObject<HTMLDivElement | null>,
  names: readonly string[],
  n_columns: number,
  focus: Place,
): StripWindow {
  const root_px = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
  const longest = Math.max(5, ...names.map((name) => name.length))
  const name = (longest * sizes.letter + sizes.beside) * root_px
  const { cell, row, head, foot } = {
    cell: sizes.cell * root_px,
    row: sizes.row * root_px,
    head: sizes.head * root_px,
    foot: sizes.foot * root_px,
  }
  const both = {
    getScrollElement: () => scroller.current,
    rangeExtractor: wholeBlocks,
    useFlushSync: false,
    initialRect: { width: 1000, height: 800 },
  }
  const across = useVirtualizer({
    ...both,
    horizontal: true,
    count: n_columns,
    estimateSize: () => cell,
    paddingStart: name,
  })
  const down = useVirtualizer({
    ...both,
    count: names.length,
    estimateSize: () => row,
    paddingStart: head,
    paddingEnd: foot,
  })
  const isOpen = useRef(false)
  useEffect(() => {
    const box = scroller.current
    if (!box) return
    const { clientWidth, clientHeight, scrollLeft, scrollTop } = box
    const left = focus.column * cell
    const right = left + cell + name - clientWidth
    // What an address names stands in the middle at first, so that what is around it is in sight too.
    if (right > scrollLeft) box.scrollLeft = isOpen.current ? right : right + clientWidth / 2
    else if (left < scrollLeft) box.scrollLeft = left
    const top = head + focus.row * row
    if (top + row + foot - clientHeight > scrollTop) box.scrollTop = top + row + foot - clientHeight
    else if (top - head < scrollTop) box.scrollTop = top - head
    isOpen.current = true
  }, [scroller, focus.column, focus.row, cell, name, row, head, foot])
  return {
    columns: stretchOf(across.getVirtualIndexes(), n_columns, cell),
    rows: stretchOf(down.getVirtualIndexes(), names.length, row),
    ...{ name, cell, row },
    width: name + n_columns * cell,
  }
}

function stretchOf(shown: readonly number[], count: number, size: number): Stretch {
  const first = shown[0] ?? 0
  const end = (shown.at(-1) ?? -1) + 1
  return { first, end, before: first * size, after: (count - end) * size }
}

function wholeBlocks({ startIndex, endIndex, count }: Range): number[] {
  const from = Math.max(0, Math.floor((startIndex - 2) / block) * block)
  const to = Math.min(count, Math.ceil((endIndex + 3) / block) * block)
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}
