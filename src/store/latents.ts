/** Latents as lists, chips and search see them. */
import { inChunks } from './chunks.ts'
import type { Queryable } from './database.ts'
import { storable, tokenKey } from './text.ts'
import type { LabelMethod, LatentChip, LatentEntry, LatentSort, SaeId } from './types.ts'

/** Enters or replaces latents of an SAE that is there, in statements of at most about 50 ms. */
export async function putLatents(
  db: Queryable,
  sae: SaeId,
  latents: Iterable<LatentEntry> | AsyncIterable<LatentEntry>,
): Promise<void> {
  await inChunks(latents, async (chunk) => {
    await db.query(
      `insert into hooke.latents
         (sae, index, density, n_active, max_act, mean_act, top_tokens, top_token_counts, top_logits, token_keys, logit_keys, token_text)
       select $1, r.* from jsonb_to_recordset($2::jsonb) as r(
         index integer, density double precision, n_active double precision, max_act double precision, mean_act double precision,
         top_tokens text[], top_token_counts integer[], top_logits text[], token_keys text[], logit_keys text[], token_text text)
       on conflict (sae, index) do update set density = excluded.density, n_active = excluded.n_active,
         max_act = excluded.max_act, mean_act = excluded.mean_act, top_tokens = excluded.top_tokens,
         top_token_counts = excluded.top_token_counts, top_logits = excluded.top_logits,
         token_keys = excluded.token_keys, logit_keys = excluded.logit_keys, token_text = excluded.token_text`,
      [sae, JSON.stringify(chunk.map(toRow))],
    )
  })
}

function toRow(latent: LatentEntry) {
  for (const name of ['density', 'n_active', 'max_act', 'mean_act'] as const)
    if (!Number.isFinite(latent[name]))
      throw new RangeError(
        `putLatents: latent ${latent.index} has ${name} ${latent[name]}, expected a finite number`,
      )
  const counts = new Map<string, number>()
  for (const token of latent.top_tokens.map(storable))
    counts.set(token, (counts.get(token) ?? 0) + 1)
  const tokens = [...counts].sort((a, b) => b[1] - a[1])
  const top_logits = latent.top_logits.map(storable)
  const token_keys = tokens.map(([token]) => tokenKey(token))
  return {
    index: latent.index,
    density: latent.density,
    n_active: latent.n_active,
    max_act: latent.max_act,
    mean_act: latent.mean_act,
    top_tokens: tokens.map(([token]) => token),
    top_token_counts: tokens.map(([, n]) => n),
    top_logits,
    token_keys,
    logit_keys: top_logits.map(tokenKey),
    token_text: [...new Set(token_keys)].map((key) => ` ${key}`).join(''),
  }
}

/** Columns of a chip: the latent `l`, its SAE `s` and its best label `b` (see BEST_LABEL). */
const CHIP =
  's.id as sae, s.hook, b.text as label, b.method as label_method, b.disputed as label_disputed, l.density, l.max_act'

/** Joins the label to show for latent `index` of `s`: undisputed first, manual before llm before lexical, newest first. */
const bestLabel = (index: string) => `
  left join lateral (
    select text, method, disputed from hooke.labels
    where sae = s.id and latent = ${index} and retired_at is null
    order by disputed, trust desc, id desc limit 1
  ) b on true`

type ChipRow = {
  sae: string
  hook: string
  index: number
  label: string | null
  label_method: LabelMethod | null
  label_disputed: boolean | null
  density: number | null
  max_act: number | null
}

/** How to show each of `indices`, in that order; a latent that was not indexed yet has no density. */
export async function latentChips(
  db: Queryable,
  sae: SaeId,
  indices: readonly number[],
): Promise<LatentChip[]> {
  return chipsOf(
    db,
    indices.map((index) => ({ sae, index })),
  )
}

/** The same for latents of several SAEs; those of an unknown SAE are left out. */
export async function chipsOf(
  db: Queryable,
  latents: readonly { readonly sae: SaeId; readonly index: number }[],
): Promise<LatentChip[]> {
  const rows = await db.query<ChipRow>(
    `select ${CHIP}, i.index from unnest($1::text[], $2::int[]) with ordinality as i(sae, index, place)
     join hooke.saes s on s.id = i.sae
     left join hooke.latents l on l.sae = i.sae and l.index = i.index
     ${bestLabel('i.index')} order by i.place`,
    [latents.map((latent) => latent.sae), latents.map((latent) => latent.index)],
  )
  return rows.map(toChip)
}

/** A page of an SAE's latents; equal values follow by index. `top_tokens` are distinct, most frequent first. */
export async function listLatents(
  db: Queryable,
  sae: SaeId,
  options: { sort?: LatentSort; order?: 'asc' | 'desc'; offset?: number; limit?: number } = {},
): Promise<{ n_total: number; latents: (LatentChip & { top_tokens: string[] })[] }> {
  const { sort = 'index', order = 'asc', offset = 0, limit = 100 } = options
  const direction = order === 'desc' ? 'desc' : 'asc'
  const column = { index: 'index', density: 'density', max_act: 'max_act' }[sort]
  const [total] = await db.query<{ n: number }>(
    'select count(*)::int as n from hooke.latents where sae = $1',
    [sae],
  )
  const rows = await db.query<ChipRow & { top_tokens: string[] }>(
    `select ${CHIP}, l.index, l.top_tokens from (
       select * from hooke.latents where sae = $1 order by ${column} ${direction}, index ${direction} limit $2 offset $3
     ) l join hooke.saes s on s.id = l.sae ${bestLabel('l.index')}
     order by l.${column} ${direction}, l.index ${direction}`,
    [sae, limit, offset],
  )
  return {
    n_total: total?.n ?? 0,
    latents: rows.map((row) => ({ ...toChip(row), top_tokens: row.top_tokens })),
  }
}

function toChip(row: ChipRow): LatentChip {
  return {
    sae: row.sae,
    hook: row.hook,
    index: row.index,
    ...(row.label === null ? {} : { label: row.label }),
    ...(row.label_method === null ? {} : { label_method: row.label_method }),
    ...(row.label_disputed ? { label_disputed: true as const } : {}),
    ...(row.density === null ? {} : { density: row.density }),
    ...(row.max_act === null ? {} : { max_act: row.max_act }),
  }
}
