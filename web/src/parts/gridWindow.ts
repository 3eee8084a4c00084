/** Which part of the grid is in the document: what is in sight and what borders on it, found without measuring any cell. */
import {
  type Range,
  useVirtualizer,
  type VirtualItem,
  type Virtualizer,
} from '@tanstack/react-virtual'
import { type RefObject, useEffect } from 'react'
import type { Sheet, SheetRow } from '../state/sheet.ts'

/** Widths and heights in rem; the table takes them over, so that what is out of sight is known without measuring. */
const sizes = {
  tall: { cell: 5.5, special: 3, row: 4.25, head: 2.125, foot: 2.75 },
  usual: { cell: 4.75, special: 3, row: 2.5, head: 2.125, foot: 2.75 },
  narrow: { cell: 1.375, special: 1.375, row: 1.625, head: 6.25, foot: 6.25 },
} as const

/** How large the cells are. */
export type GridMode = keyof typeof sizes

/** A place in the grid. */
export type Cell = { readonly row: number; readonly column: number }

/** The part of the table that is in the document, and how much lies around it, in px. */
type View = {
  readonly columns: readonly VirtualItem[]
  readonly rows: readonly VirtualItem[]
  readonly before: number
  readonly after: number
  readonly above: number
  readonly below: number
  readonly width: number
  readonly px: { readonly name: number; row: number; head: number; foot: number }
}

/** Follows the scroller, and brings the focus into sight when the grid is opened and when it moves; the page stays. */
export function useGridWindow(
  sheet: Sheet,
  mode: GridMode,
  scroller: RefObject<HTMLDivElement | null>,
  focus: Cell,
): View {
  const rem = sizes[mode]
  const root_px = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
  const longest = Math.max(5, ...sheet.rows.map(nameLength))
  const px = {
    name: (longest * 0.4 + 0.7) * root_px,
    row: rem.row * root_px,
    head: rem.head * root_px,
    foot: rem.foot * root_px,
  }
  const both = {
    getScrollElement: () => scroller.current,
    rangeExtractor: wholeBlocks,
    // A block that arrives is drawn with the next frame, not in the middle of the scroll event.
    useFlushSync: false,
  }
  const across = useVirtualizer({
    ...both,
    horizontal: true,
    count: sheet.columns,
    estimateSize: (c) => (sheet.tokens[c]?.special ? rem.special : rem.cell) * root_px,
    paddingStart: px.name,
    scrollPaddingStart: px.name,
    initialRect: { width: 1000, height: 0 },
  })
  const down = useVirtualizer({
    ...both,
    count: sheet.rows.length,
    estimateSize: () => px.row,
    paddingStart: px.head,
    paddingEnd: px.foot,
    scrollPaddingStart: px.head,
    scrollPaddingEnd: px.foot,
    initialRect: { width: 0, height: 700 },
  })
  useEffect(() => {
    bringIntoSight(across, focus.column)
    bringIntoSight(down, focus.row)
  }, [across, down, focus.row, focus.column])
  const columns = across.getVirtualItems()
  const rows = down.getVirtualItems()
  return {
    columns,
    rows,
    before: (columns[0]?.start ?? px.name) - px.name,
    after: across.getTotalSize() - (columns.at(-1)?.end ?? across.getTotalSize()),
    above: (rows[0]?.start ?? px.head) - px.head,
    below: down.getTotalSize() - px.foot - (rows.at(-1)?.end ?? down.getTotalSize() - px.foot),
    width: across.getTotalSize(),
    px,
  }
}

/**
 * Scrolls an item to between the edges that stay, if it is not there. The virtualizer's own way asks the browser for the size
 * of the content at every step, which lays the whole table out; here nothing is asked.
 */
function bringIntoSight(axis: Virtualizer<HTMLDivElement, Element>, index: number): void {
  const item = axis.measurementsCache[index]
  const { horizontal, scrollPaddingStart = 0, scrollPaddingEnd = 0 } = axis.options
  const size = axis.scrollRect?.[horizontal ? 'width' : 'height'] ?? 0
  const from = axis.scrollOffset ?? 0
  if (!item || size === 0) return
  const first = item.start - scrollPaddingStart
  const last = item.end + scrollPaddingEnd - size
  const to = first < from ? first : last > from ? last : undefined
  if (to !== undefined) axis.scrollElement?.scrollTo({ [horizontal ? 'left' : 'top']: to })
}

const block = 2

/** What is in sight and what borders on it, in whole blocks: the table changes once a block, not once a column. */
function wholeBlocks({ startIndex, endIndex, count }: Range): number[] {
  const from = Math.max(0, Math.floor((startIndex - 2) / block) * block)
  const to = Math.min(count, Math.ceil((endIndex + 3) / block) * block)
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
}

const nameLength = ({ name, variant = '' }: SheetRow): number =>
  Math.max(name.length, variant.length)
