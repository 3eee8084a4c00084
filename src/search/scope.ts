/** Which latents a search may find: of which SAEs, how dense, and with what kind of label. */
import {
  chipsOf,
  type Database,
  type LabelMethod,
  type LatentChip,
  type SaeId,
} from '../store/index.ts'

/** Filters of a search; all given ones must hold. Those on labels ask for one label in force that has all of it. */
export type SearchFilters = {
  readonly suite?: string | undefined
  readonly sae?: SaeId | undefined
  /** Blocks, both ends included. */
  readonly layer_from?: number | undefined
  readonly layer_to?: number | undefined
  /** The site without its block: `hook_resid_post`, `attn.hook_z`. */
  readonly site?: string | undefined
  /** Share of tokens, both ends included; a latent that was not measured is not found. */
  readonly density_from?: number | undefined
  readonly density_to?: number | undefined
  /** Least score, 0 to 1, by whichever scorer. */
  readonly score_from?: number | undefined
  readonly method?: LabelMethod | undefined
  readonly author?: string | undefined
}

/** Filters with the SAEs looked up: what the statements of a search are restricted to. */
export type Scope = Pick<
  SearchFilters,
  'density_from' | 'density_to' | 'score_from' | 'method' | 'author'
> & {
  /** null for all. */
  readonly saes: readonly SaeId[] | null
}

/** The site of a hook without its block. */
const siteOf = (hook: string): string => hook.replace(/^blocks\.\d+\./, '')

/** Whether an SAE passes the filters on SAEs. */
export function passesFilters(
  { id, hook }: { readonly id: SaeId; readonly hook: string },
  { sae, site, layer_from, layer_to }: SearchFilters,
): boolean {
  if (sae !== undefined && id !== sae) return false
  if (site !== undefined && siteOf(hook) !== site) return false
  if (layer_from === undefined && layer_to === undefined) return true
  // Outside the blocks there is no layer, which is in no range.
  const layer = Number(/^blocks\.(\d+)\./.exec(hook)?.[1])
  return layer >= (layer_from ?? 0) && layer <= (layer_to ?? Number.POSITIVE_INFINITY)
}

/** The scope of filters in this database. */
export async function readScope(db: Database, filters: SearchFilters): Promise<Scope> {
  const { density_from, density_to, score_from, method, author } = filters
  const by_sae = ['suite', 'layer_from', 'layer_to', 'site'] as const
  const saes = by_sae.some((name) => filters[name] !== undefined)
    ? (await saesWithin(db, filters.suite))
        .filter((sae) => passesFilters(sae, filters))
        .map(({ id }) => id)
    : filters.sae === undefined
      ? null
      : [filters.sae]
  return { saes, density_from, density_to, score_from, method, author }
}

/** Not `listSaes`, which counts their labels. */
const saesWithin = (
  db: Database,
  suite: string | undefined,
): Promise<{ id: SaeId; hook: string }[]> =>
  db.query('select id, hook from hooke.saes where $1::text is null or suite = $1', [suite ?? null])

/** Whether any label passes the filters on labels; true where there are none. */
export async function anyLabelPasses(db: Database, scope: Scope): Promise<boolean> {
  const p = new Parameters()
  const condition = labelCondition(p, scope, 'l')
  if (condition === '') return true
  const rows = await db.query(
    `select from hooke.labels l where l.retired_at is null${condition} limit 1`,
    p.values,
  )
  return rows.length > 0
}

/** Those of `latents` that pass the filters on latents and labels, in their order. */
async function inScope<L extends { readonly sae: SaeId; readonly index: number }>(
  db: Database,
  latents: readonly L[],
  scope: Scope,
): Promise<L[]> {
  const p = new Parameters()
  const conditions = latentConditions(p, scope, 'x.sae', 'x.index')
  if (conditions === '') return [...latents]
  const [saes, indices] = [
    p.add(
      latents.map(({ sae }) => sae),
      'text[]',
    ),
    p.add(
      latents.map(({ index }) => index),
      'int[]',
    ),
  ]
  const rows = await db.query<{ place: number }>(
    `select x.place::int as place from unnest(${saes}, ${indices}) with ordinality as x(sae, index, place)
     where true${conditions} order by x.place`,
    p.values,
  )
  return rows.map(({ place }) => latents[place - 1]!)
}

/** Hits of a ranking by weights that the filters on latents and labels are held against. */
export const LOOKED_THROUGH = 5_000

/**
 * The first hits of a ranking that pass the filters on latents and labels, each with what is shown of its latent.
 * @param hits best first, at most LOOKED_THROUGH of them. @param left_out is told where that was too few.
 */
export async function shownHits<H extends { readonly sae: SaeId; readonly index: number }>(
  db: Database,
  hits: readonly H[],
  options: { filters: SearchFilters; limit: number; left_out: string[] },
): Promise<(H & LatentChip)[]> {
  const { filters, limit, left_out } = options
  const kept = await inScope(db, hits, { ...(await readScope(db, filters)), saes: null })
  if (kept.length < Math.min(limit, hits.length) && hits.length >= LOOKED_THROUGH) {
    const said = `latents beyond the first ${LOOKED_THROUGH.toLocaleString('en')}, which the filters were held against`
    if (!left_out.includes(said)) left_out.push(said)
  }
  const page = kept.slice(0, limit)
  const keyOf = ({ sae, index }: { sae: SaeId; index: number }) => `${sae} ${index}`
  const chips = new Map((await chipsOf(db, page)).map((chip) => [keyOf(chip), chip]))
  // An SAE that was removed meanwhile has no chip.
  return page.flatMap((hit) => {
    const chip = chips.get(keyOf(hit))
    return chip ? [{ ...chip, ...hit }] : []
  })
}

/** Parameters of a statement as they are added. */
export class Parameters {
  readonly values: unknown[] = []

  /** @returns how the statement names the value. */
  add(value: unknown, type: string): string {
    this.values.push(value)
    return `$${this.values.length}::${type}`
  }
}

/** ` and …` for the filters on SAEs; empty where there is none. */
export const saeCondition = (p: Parameters, { saes }: Scope, sae: string): string =>
  saes === null ? '' : ` and ${sae} = any (${p.add(saes, 'text[]')})`

/** ` and …` for the filters on one row of labels. */
export function labelCondition(p: Parameters, scope: Scope, row: string): string {
  const { method, author, score_from } = scope
  const parts = []
  // As their indices have them.
  if (method !== undefined) parts.push(`${row}.method || '' = ${p.add(method, 'text')}`)
  if (author !== undefined) parts.push(`${row}.author || '' = ${p.add(author, 'text')}`)
  if (score_from !== undefined) parts.push(`${row}.score >= ${p.add(score_from, 'float8')}`)
  return parts.map((part) => ` and ${part}`).join('')
}

/** ` and …` for the density of one row of latents. */
function densityOf(p: Parameters, { density_from, density_to }: Scope, row: string): string {
  const from =
    density_from === undefined ? '' : ` and ${row}.density >= ${p.add(density_from, 'float8')}`
  const to = density_to === undefined ? '' : ` and ${row}.density <= ${p.add(density_to, 'float8')}`
  return from + to
}

/** ` and …` for the density of the latent that two columns name. */
export function densityCondition(p: Parameters, scope: Scope, sae: string, index: string): string {
  const condition = densityOf(p, scope, 'dl')
  return condition === ''
    ? ''
    : ` and exists (select from hooke.latents dl where dl.sae = ${sae} and dl.index = ${index}${condition})`
}

/** ` and …` for the labels of the latent that two columns name. */
function labelledCondition(p: Parameters, scope: Scope, sae: string, index: string): string {
  const condition = labelCondition(p, scope, 'bl')
  return condition === ''
    ? ''
    : ` and exists (select from hooke.labels bl where bl.sae = ${sae} and bl.latent = ${index}
        and bl.retired_at is null${condition})`
}

/** ` and …` for all filters of one row of labels. */
export const labelRowConditions = (p: Parameters, scope: Scope, row: string): string =>
  saeCondition(p, scope, `${row}.sae`) +
  labelCondition(p, scope, row) +
  densityCondition(p, scope, `${row}.sae`, `${row}.latent`)

/** ` and …` for density and labels of one row of latents. */
export const latentRowConditions = (p: Parameters, scope: Scope, row: string): string =>
  densityOf(p, scope, row) + labelledCondition(p, scope, `${row}.sae`, `${row}.index`)

/** ` and …` for density and labels of the latent that two columns name. */
const latentConditions = (p: Parameters, scope: Scope, sae: string, index: string): string =>
  densityCondition(p, scope, sae, index) + labelledCondition(p, scope, sae, index)
