/** A comparison token by token, laid out for the page: columns with their words, and look-ups for hovering. */
import type { CompareCell, LatentChip, PromptComparison } from '../../../src/api/index.ts'
import { latentKey, saeName, siteName, visiblePiece } from '../format/names.ts'

/** What one side is called: a sign for columns, and a name. */
export type SideNames = { readonly a: string; readonly b: string }

export type BoardColumn = PromptComparison['columns'][number] & {
  /** As shown; absent where that text has no token. */
  readonly pieceA?: string
  readonly pieceB?: string
  readonly kind: 'same' | 'replaced' | 'only-a' | 'only-b'
  /** Mean change over sites, 0 to 1; absent where there is none. */
  readonly change?: number
}

/** A latent in a list, with the site that it belongs to. */
export type Listed = {
  readonly key: string
  readonly row: number
  readonly chip: LatentChip
  readonly a: number
  readonly b: number
  readonly effect: number
  readonly column?: number
  readonly kind?: string
}

export type Board = {
  readonly data: PromptComparison
  readonly columns: readonly BoardColumn[]
  readonly rows: readonly { readonly sae: string; readonly hook: string; readonly name: string }[]
  readonly chips: ReadonlyMap<string, LatentChip>
  /** By latent, the columns where it is among those that change most: column -> |effect|. */
  readonly trace: (key: string) => { row: number; columns: ReadonlyMap<number, number> } | undefined
  readonly lists: Readonly<Record<ListName, readonly Listed[]>>
}

/** The lists of latents: on tokens that both texts have, at the last tokens, in one text alone. */
export const listNames = ['changed', 'last', 'only_a', 'only_b'] as const
export type ListName = (typeof listNames)[number]

/** Lays a comparison out. */
export function readBoard(data: PromptComparison): Board {
  const chips = new Map(data.latents.map((chip) => [latentKey(chip.sae, chip.index), chip]))
  const traces = new Map<string, { row: number; columns: Map<number, number> }>()
  for (const [row, { sae, cells }] of data.sites.entries())
    for (const [column, cell] of cells.entries())
      for (const { index, effect } of cell?.top ?? []) {
        const key = latentKey(sae, index)
        const trace = traces.get(key) ?? { row, columns: new Map() }
        trace.columns.set(column, Math.abs(effect))
        traces.set(key, trace)
      }
  const names = siteNames(data.sites)
  return {
    data,
    columns: data.columns.map((column, c) => boardColumn(data, column, c)),
    rows: data.sites.map(({ sae, hook }, row) => ({ sae, hook, name: names[row] ?? '' })),
    chips,
    trace: (key) => traces.get(key),
    lists: readLists(data, chips),
  }
}

/** What sites are called: by their place in the model, and where there are several dictionaries at one by width and L0 too. */
export function siteNames(sites: readonly { sae: string; hook: string }[]): string[] {
  const there = Map.groupBy(sites, ({ hook }) => hook)
  return sites.map(({ sae, hook }) => {
    if ((there.get(hook)?.length ?? 0) < 2) return siteName(hook)
    const { width, l0 } = saeName(sae)
    return `${siteName(hook)} ${width} · ${l0}`
  })
}

function boardColumn(
  data: PromptComparison,
  column: PromptComparison['columns'][number],
  c: number,
): BoardColumn {
  const { a, b, isSame } = column
  const pieceOf = (side: 'a' | 'b', token: number | undefined) =>
    token === undefined ? undefined : visiblePiece(data[side].tokens[token]?.piece ?? '')
  const [pieceA, pieceB] = [pieceOf('a', a), pieceOf('b', b)]
  const changes = data.sites.flatMap(({ cells }) => cells[c]?.change ?? [])
  const change = changes.reduce((sum, x) => sum + x, 0) / changes.length
  return {
    ...column,
    ...(pieceA === undefined ? {} : { pieceA }),
    ...(pieceB === undefined ? {} : { pieceB }),
    kind: a === undefined ? 'only-b' : b === undefined ? 'only-a' : isSame ? 'same' : 'replaced',
    ...(changes.length === 0 ? {} : { change }),
  }
}

function readLists(
  data: PromptComparison,
  chips: ReadonlyMap<string, LatentChip>,
): Record<ListName, Listed[]> {
  const lists: Record<ListName, Listed[]> = { changed: [], last: [], only_a: [], only_b: [] }
  for (const [row, { sae, hook, latents, apart, final }] of data.sites.entries()) {
    const add = (list: Listed[], one: Omit<Listed, 'key' | 'row' | 'chip'> & { index: number }) => {
      const key = latentKey(sae, one.index)
      list.push({ ...one, key, row, chip: chips.get(key) ?? { sae, hook, index: one.index } })
    }
    for (const one of latents) add(lists.changed, one)
    for (const one of apart) add(lists[one.kind === 'only_a' ? 'only_a' : 'only_b'], one)
    for (const one of final?.top ?? []) add(lists.last, one)
  }
  for (const list of Object.values(lists))
    list.sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect))
  return lists
}

/** The cell to begin with: where most changes, on tokens that both texts have, and within it the deepest such site. */
export function startPlace(board: Board): { row: number; column: number } {
  let best = { row: 0, column: Math.min(1, board.columns.length - 1) }
  let most = 0
  for (const [row, { cells }] of board.data.sites.entries())
    for (const [column, cell] of cells.entries())
      if ((cell?.change ?? 0) >= most && (cell?.change ?? 0) > 0) {
        most = cell?.change ?? 0
        best = { row, column }
      }
  return best
}

/** `3 gained, 1 stronger`; of a cell where nothing changes, that. */
export function cellWords(cell: CompareCell): string {
  const counts = [
    [cell.n_gained, 'only in B'],
    [cell.n_lost, 'only in A'],
    [cell.n_stronger, 'stronger'],
    [cell.n_weaker, 'weaker'],
  ] as const
  const said = counts.flatMap(([n, word]) => (n > 0 ? [`${n} ${word}`] : []))
  return said.length > 0 ? said.join(', ') : 'no latent changes'
}
