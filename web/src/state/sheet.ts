/** The microscope's answer, laid out for the grid: rows that may still be empty, and look-ups for hovering. */
import type { CellRank, LatentChip, Microscope, SaeSummary } from '../../../src/api/index.ts'
import { latentKey, parseLatentKey, saeName, siteLayer, siteName } from '../format/names.ts'

/** One site: its cells, or what it is waiting for. */
export type SheetRow = {
  readonly sae: string
  readonly name: string
  /** Width and L0, where the suite has several dictionaries at this site. */
  readonly variant?: string
  readonly hook: string
  readonly layer?: number
  /** [n_tokens], strongest first; absent while the SAE is not ready. */
  readonly cells?: Microscope['rows'][number]['cells']
  readonly l0?: readonly number[]
  readonly fvu?: readonly number[]
  /** Why the cells are absent, in a word. */
  readonly waitingFor?: string
}

/** Where a latent is active in this text. */
type Trace = {
  readonly row: number
  /** From column to what the latent does there; `weight` as `Sheet.weight` has it. */
  readonly columns: ReadonlyMap<number, { act: number; weight: number }>
}

/** Everything the microscope's parts read. */
export type Sheet = {
  readonly tokens: Microscope['tokens']
  readonly token_loss: Microscope['token_loss']
  readonly predictions: Microscope['predictions']
  readonly rows: readonly SheetRow[]
  readonly columns: number
  /** What is known of a latent in a cell. */
  readonly chip: (sae: string, index: number) => LatentChip | undefined
  /** By what the cells are ranked and tinted. */
  readonly rank: CellRank
  /** The effect in logits that gets the full tint: few of the strongest ones are larger. Absent where ranked by activation. */
  readonly full_effect?: number
  /** How much a latent weighs in its cell, 0 to 1 and above: share of its maximum, or of the full effect, then with its sign. */
  readonly weight: (row: SheetRow, active: ActiveLatent) => number
  /** Where the latent of a key is among the strongest of its cells. */
  readonly trace: (key: string) => Trace | undefined
  /** Key of the strongest latent of a cell. */
  readonly strongest: (cell: { row: number; column: number }) => string | undefined
}

/** A latent in a cell. */
export type ActiveLatent = Microscope['rows'][number]['cells'][number][number]

/** The share of its maximum at which a latent is active, from the server or from the chip. */
function strengthOf(
  cell: { act: number; strength?: number | undefined },
  chip: LatentChip | undefined,
): number {
  if (cell.strength !== undefined) return cell.strength
  return chip?.max_act ? cell.act / chip.max_act : 0
}

/** Joins the answer with the SAEs to show, so that sites still in training keep their row. */
export function readSheet(data: Microscope, saes: readonly SaeSummary[]): Sheet {
  const { rank } = data
  const chip = chipsOf(data.latents)
  const answered = new Map(data.rows.map((row) => [row.sae, row]))
  const rows: SheetRow[] = []
  for (const sae of saes) {
    const row = answered.get(sae.id)
    if (row || sae.state === 'waiting' || sae.state === 'training' || sae.state === 'trained') {
      rows.push(row ? sheetRow(row) : waitingRow(sae))
    }
    answered.delete(sae.id)
  }
  for (const row of answered.values()) rows.push(sheetRow(row))
  nameVariants(rows)
  const full_effect = rank === 'activation' ? undefined : fullEffect(data)
  const weight = (row: SheetRow, active: ActiveLatent): number =>
    full_effect === undefined
      ? strengthOf(active, chip(row.sae, active.index))
      : (active.effect ?? 0) / full_effect
  return {
    tokens: data.tokens,
    token_loss: data.token_loss,
    predictions: data.predictions,
    rows,
    columns: data.tokens.length,
    chip,
    rank,
    ...(full_effect === undefined ? {} : { full_effect }),
    weight,
    trace: (key) => traceOf(rows, key, weight),
    strongest: ({ row, column }) => {
      const sae = rows[row]?.sae
      const first = rows[row]?.cells?.[column]?.[0]
      return sae && first ? latentKey(sae, first.index) : undefined
    },
  }
}

/** Chips by place; those of an SAE are ordered when the first of them is asked for: of a hundred sites few are in sight. */
function chipsOf(latents: readonly LatentChip[]): Sheet['chip'] {
  const groups = Map.groupBy(latents, ({ sae }) => sae)
  const ordered = new Map<string, ReadonlyMap<number, LatentChip>>()
  return (sae, index) => {
    let chips = ordered.get(sae)
    if (!chips) {
      chips = new Map(groups.get(sae)?.map((chip) => [chip.index, chip]))
      ordered.set(sae, chips)
    }
    return chips.get(index)
  }
}

/** Where a latent is among the strongest of its row. */
function traceOf(
  rows: readonly SheetRow[],
  key: string,
  weight: Sheet['weight'],
): Trace | undefined {
  const latent = parseLatentKey(key)
  const at = rows.findIndex(({ sae }) => sae === latent?.sae)
  const row = rows[at]
  if (!latent || !row) return undefined
  const columns = new Map<number, { act: number; weight: number }>()
  for (const [column, cell] of (row.cells ?? []).entries()) {
    const active = cell.find(({ index }) => index === latent.index)
    if (active) columns.set(column, { act: active.act, weight: weight(row, active) })
  }
  return columns.size > 0 ? { row: at, columns } : undefined
}

/** The 98th percentile of the cells' strongest effects, so that a single large one does not pale all others. */
function fullEffect(data: Microscope): number {
  const sizes = data.rows
    .flatMap(({ cells }) => cells.flatMap(([first]) => Math.abs(first?.effect ?? 0)))
    .filter((size) => size > 0)
    .sort((a, b) => a - b)
  return sizes[Math.floor(0.98 * (sizes.length - 1))] ?? 1
}

/** Tells rows of the same site apart by width and L0. */
function nameVariants(rows: SheetRow[]): void {
  const times = Map.groupBy(rows, ({ hook }) => hook)
  for (const [r, row] of rows.entries()) {
    if ((times.get(row.hook)?.length ?? 0) < 2) continue
    const { width, l0 } = saeName(row.sae)
    rows[r] = { ...row, variant: `${width} · ${l0}` }
  }
}

const sheetRow = (row: Microscope['rows'][number]): SheetRow => ({
  sae: row.sae,
  name: siteName(row.hook),
  hook: row.hook,
  ...layerOf(row.hook),
  cells: row.cells,
  l0: row.l0,
  ...(row.fvu ? { fvu: row.fvu } : {}),
})

const waitingRow = (sae: SaeSummary): SheetRow => ({
  sae: sae.id,
  name: siteName(sae.hook),
  hook: sae.hook,
  ...layerOf(sae.hook),
  waitingFor: { waiting: 'waiting', training: 'training', trained: 'trained, being indexed' }[
    sae.state as 'waiting' | 'training' | 'trained'
  ],
})

const layerOf = (hook: string): { layer?: number } => {
  const layer = siteLayer(hook)
  return layer === '' ? {} : { layer: Number(layer) }
}

/** Columns and rows that are in sight at once on most screens. */
const inSight = { columns: 8, rows: 14 }

/** The cell to begin with: the strongest of a row amid the first ones, among the first tokens, so that there is something to see. */
export function startCell(sheet: Sheet): { row: number; column: number } {
  const filled = sheet.rows.flatMap((row, r) => (row.cells ? [r] : []))
  const row = filled[Math.floor(Math.min(filled.length, inSight.rows) / 2)]
  if (row === undefined) return { row: 0, column: Math.min(1, sheet.columns - 1) }
  let column = 0
  let best = 0
  const middle = sheet.rows[row]
  for (const [c, [first]] of (middle?.cells ?? []).slice(0, inSight.columns).entries()) {
    if (!first || !middle) continue
    // Before the row is indexed only activations are known, and of all its cells.
    const known = Math.abs(sheet.weight(middle, first)) || first.act
    if (known > best) {
      best = known
      column = c
    }
  }
  return { row, column }
}
