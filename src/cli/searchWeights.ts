/** The kinds of `hooke search` that read a suite's weights: a text, texts against texts, a vector, a latent. */
import { resolve } from 'node:path'
import type { Model } from '../model/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import type { SearchFilters, SearchSite } from '../search/index.ts'
import type { Database, LatentChip } from '../store/index.ts'
import { CliError } from './errors.ts'
import { modelOptionsOf } from './modelOptions.ts'
import { fetchModel } from './pull.ts'
import type { SearchTask } from './search.ts'
import { renderTable } from './terminal.ts'
import { parseLatent, suiteEntries } from './workspace.ts'

export const weightKinds = ['text', 'contrast', 'vector', 'like'] as const
export type WeightKind = (typeof weightKinds)[number]

/** With texts, denser latents are left out unless --max-density says otherwise, as on the page. */
const MOST_DENSE = 0.1

type Site = SearchSite & { readonly entry: SaeEntry }
type Answer = { readonly answer: object; readonly text: string }

/** Searches by weights; the SAEs are opened one after the other. */
export async function searchWeights(
  db: Database,
  kind: WeightKind,
  task: SearchTask,
): Promise<Answer> {
  const { suite, options } = task
  const sites = await sitesOf(suite, task.filters, options.threads)
  if (kind === 'vector' || kind === 'like') return searchDirection(db, kind, sites, task)
  const { readSuiteFile } = await import('../jobs/index.ts')
  const { openModel } = await import('../model/index.ts')
  const name = (await readSuiteFile(resolve(suite)))?.model.path
  if (name === undefined)
    throw new CliError(`search: ${suite} has no suite.json, so its model is not known.`)
  const model = await openModel(await fetchModel(name, task.signal), modelOptionsOf(options))
  try {
    const search = kind === 'text' ? searchText : searchContrast
    return await search(db, model, sites, task)
  } finally {
    await model.close()
  }
}

/** The SAEs that pass the filters, each closed when the next is opened. */
async function sitesOf(suite: string, filters: SearchFilters, threads: number): Promise<Site[]> {
  const { saeId } = await import('../jobs/index.ts')
  const { passesFilters } = await import('../search/index.ts')
  const { siteOn } = await import('../compare/disk.ts')
  const entries = await suiteEntries(suite)
  let close: (() => Promise<void>) | undefined
  const sites = entries
    .map((entry): Site => {
      const { hook, path } = entry
      const id = saeId(filters.suite ?? '', entry)
      const site = siteOn(path, { id, hook, threads })
      const open = async () => {
        await close?.()
        const opened = await site.open()
        if (opened === undefined) throw new RangeError(`${path} cannot be read`)
        close = opened.close
        return opened
      }
      return { id, hook, entry, open }
    })
    .filter((site) => passesFilters(site, filters))
  if (sites.length === 0)
    throw new CliError(
      `search: none of the ${entries.length} SAEs of ${suite} is of that layer and site. Widen the filters.`,
    )
  return sites
}

async function searchText(
  db: Database,
  model: Model,
  sites: readonly Site[],
  { query, options, filters, signal }: SearchTask,
): Promise<Answer> {
  const { LOOKED_THROUGH, rankByText, shownHits } = await import('../search/index.ts')
  const { showPiece } = await import('../jobs/index.ts')
  const { scale, limit, maxDensity: max_density = MOST_DENSE } = options
  const { ids, ...ranking } = await rankByText(model, sites, {
    text: query.join(' '),
    tokens: options.tokens,
    by: options.mean ? 'mean' : 'max',
    scale,
    max_density,
    most: LOOKED_THROUGH,
    signal,
  })
  const tokens = Array.from(ids, (id) => showPiece(model.tokenizer?.pieces[id] ?? ''))
  const hits = await shownHits(db, ranking.hits, { filters, limit, left_out: ranking.left_out })
  const table = renderTable(
    ['latent', 'label', 'on', 'act', '% of max', 'density'],
    hits.map((hit) => [
      ...nameOf(hit),
      `${tokens[hit.token]} @${hit.token}`,
      hit.act.toPrecision(3),
      hit.strength === undefined ? undefined : (100 * hit.strength).toFixed(1),
      hit.density?.toExponential(1),
    ]),
  )
  const count = `${hits.length} of ${ranking.n_total} latents that are active on ${options.tokens ? 'these tokens' : 'the text'}`
  const answer = { tokens, ...ranking, hits }
  return { answer, text: told([table, count], ranking.left_out) }
}

async function searchContrast(
  db: Database,
  model: Model,
  sites: readonly Site[],
  { query: a, options, filters, signal }: SearchTask,
): Promise<Answer> {
  const { contrastTexts, LOOKED_THROUGH, shownHits } = await import('../search/index.ts')
  const { scale, limit, against: b = [], maxDensity: max_density = MOST_DENSE } = options
  const found = await contrastTexts(model, sites, {
    a,
    b,
    scale,
    max_density,
    most: LOOKED_THROUGH,
    signal,
  })
  const shown = { filters, limit, left_out: found.left_out }
  const more_in_a = await shownHits(db, found.more_in_a, shown)
  const more_in_b = await shownHits(db, found.more_in_b, shown)
  const number = (x: number | undefined) =>
    x === undefined ? undefined : scale === 'share' ? (100 * x).toFixed(1) : x.toPrecision(3)
  const unit = scale === 'share' ? '% of max' : 'act'
  const side = (name: string, hits: typeof more_in_a) =>
    `${name} (mean ${unit})\n${renderTable(
      ['latent', 'label', 'query', 'against', 'difference', '±', 'd'],
      hits.map((hit) => [
        ...nameOf(hit),
        number(hit.mean_a),
        number(hit.mean_b),
        number(hit.difference),
        number(hit.standard_error),
        hit.effect_size?.toFixed(2),
      ]),
    )}`
  const parts = [side('more in the query', more_in_a), side('more in --against', more_in_b)]
  return { answer: { ...found, more_in_a, more_in_b }, text: told(parts, found.left_out) }
}

async function searchDirection(
  db: Database,
  kind: 'vector' | 'like',
  sites: readonly Site[],
  { suite, query, options, filters, signal }: SearchTask,
): Promise<Answer> {
  const { LOOKED_THROUGH, nearestLatents, shownHits } = await import('../search/index.ts')
  const { vector, like } =
    kind === 'like'
      ? await directionOf(suite, filters, query.join(' '))
      : { vector: await vectorOf(query.join(' ')), like: undefined }
  const found = await nearestLatents(sites, vector, { most: LOOKED_THROUGH, like, signal })
  const { limit } = options
  const hits = await shownHits(db, found.hits, { filters, limit, left_out: found.left_out })
  const table = renderTable(
    ['latent', 'label', 'cosine', 'density'],
    hits.map((hit) => [...nameOf(hit), hit.cosine.toFixed(3), hit.density?.toExponential(1)]),
  )
  const count = `${hits.length} of ${found.n_total} latents compared`
  return { answer: { ...found, hits }, text: told([table, count], found.left_out) }
}

async function vectorOf(text: string): Promise<Float32Array> {
  const { parseVector } = await import('../api/index.ts')
  const numbers = parseVector(text)
  if (typeof numbers === 'string') throw new CliError(`search: this is no vector: ${numbers}.`)
  return Float32Array.from(numbers)
}

/** What a latent writes; the latent need not pass the filters. */
async function directionOf(suite: string, filters: SearchFilters, text: string) {
  const { saeId } = await import('../jobs/index.ts')
  const { decoderRow } = await import('../search/index.ts')
  const { loadSae } = await import('../sae/disk.ts')
  const { entry, latent } = parseLatent(text, await suiteEntries(suite), 'the latent')
  const vector = decoderRow(await loadSae(entry.path), latent)
  const sae = saeId(filters.suite ?? '', entry)
  return { vector, like: { sae, hook: entry.hook, index: latent } }
}

const nameOf = ({ hook, index, label }: LatentChip) => [`${hook}/${index}`, label] as const

const told = (parts: readonly string[], left_out: readonly string[]): string =>
  [...parts, ...(left_out.length > 0 ? [`left out: ${left_out.join('; ')}`] : [])].join('\n\n')
