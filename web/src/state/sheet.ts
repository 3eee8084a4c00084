/** The microscope's answer, laid out for the grid: rows that may still be empty, and look-ups for hovering. */
import type { LatentChip, Microscope, SaeSummary } from '../../../src/api/index.ts'
import { latentKey, siteName } from '../format/names.ts'

/** One site: its cells, or what it is waiting for. */
export type SheetRow = {
  readonly sae: string
  readonly name: string
  readonly hook: string
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
  /** From column to activation and its share of the latent's maximum. */
  readonly columns: ReadonlyMap<number, { act: number; strength: number }>
}

/** Everything the microscope's parts read. */
export type Sheet = {
  readonly tokens: Microscope['tokens']
  readonly token_loss: Microscope['token_loss']
  readonly predictions: Microscope['predictions']
  readonly rows: readonly SheetRow[]
  readonly columns: number
  readonly latents: ReadonlyMap<string, LatentChip>
  /** Where the latent of a key is among the strongest of its cells. */
  readonly trace: (key: string) => Trace | undefined
  /** Key of the strongest latent of a cell. */
  readonly strongest: (cell: { row: number; column: number }) => string | undefined
}

/** The share of its maximum at which a latent is active, from the server or from the chip. */
export function strengthOf(
  cell: { act: number; strength?: number | undefined },
  chip: LatentChip | undefined,
): number {
  if (cell.strength !== undefined) return cell.strength
  return chip?.max_act ? cell.act / chip.max_act : 0
}

/** Joins the answer with the suite's SAEs, so that sites still in training keep their row. */
export function readSheet(data: Microscope, saes: readonly SaeSummary[]): Sheet {
  const latents = new Map(data.latents.map((l) => [latentKey(l.sae, l.index), l]))
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
  const traces = new Map<
    string,
    { row: number; columns: Map<number, { act: number; strength: number }> }
  >()
  for (const [r, row] of rows.entries()) {
    for (const [column, cell] of (row.cells ?? []).entries()) {
      for (const active of cell) {
        const key = latentKey(row.sae, active.index)
        const trace = traces.get(key) ?? { row: r, columns: new Map() }
        const strength = strengthOf(active, latents.get(key))
        trace.columns.set(column, { act: active.act, strength })
        traces.set(key, trace)
      }
    }
  }
  return {
    tokens: data.tokens,
    token_loss: data.token_loss,
    predictions: data.predictions,
    rows,
    columns: data.tokens.length,
    latents,
    trace: (key) => traces.get(key),
    strongest: ({ row, column }) => {
      const sae = rows[row]?.sae
      const first = rows[row]?.cells?.[column]?.[0]
      return sae && first ? latentKey(sae, first.index) : undefined
    },
  }
}

const sheetRow = (row: Microscope['rows'][number]): SheetRow => ({
  sae: row.sae,
  name: siteName(row.hook),
  hook: row.hook,
  cells: row.cells,
  l0: row.l0,
  ...(row.fvu ? { fvu: row.fvu } : {}),
})

const waitingRow = (sae: SaeSummary): SheetRow => ({
  sae: sae.id,
  name: siteName(sae.hook),
  hook: sae.hook,
  waitingFor: { waiting: 'waiting', training: 'training', trained: 'trained, being indexed' }[
    sae.state as 'waiting' | 'training' | 'trained'
  ],
})

const inSight = 8

/** The cell to begin with: the strongest of the middle row among the first tokens, so that there is something to see. */
export function startCell(sheet: Sheet): { row: number; column: number } {
  const filled = sheet.rows.flatMap((row, r) => (row.cells ? [r] : []))
  const row = filled[Math.floor(filled.length / 2)]
  if (row === undefined) return { row: 0, column: Math.min(1, sheet.columns - 1) }
  let column = 0
  let best = 0
  for (const [c, cell] of (sheet.rows[row]?.cells ?? []).slice(0, inSight).entries()) {
    const key = sheet.strongest({ row, column: c })
    if (!cell[0]) continue
    // Before the row is indexed only activations are known, and of all its cells.
    const known = strengthOf(cell[0], key ? sheet.latents.get(key) : undefined) || cell[0].act
    if (known > best) {
      best = known
      column = c
    }
  }
  return { row, column }
}
