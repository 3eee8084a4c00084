/** Search by meaning: labels whose embedding is near that of the query, and how the embeddings come to be. */
import {
  bitsOf,
  countVectors,
  type Database,
  type EmbedderSource,
  labelsWithoutVector,
  prepareVectors,
  putLabelVectors,
  type SaeId,
  storedEmbedder,
  vectorText,
} from '../store/index.ts'
import type { Embedder } from './embedder.ts'
import { labelRowConditions, Parameters, readScope, type Scope } from './scope.ts'
import {
  pageOf,
  readQuery,
  type SearchAnswer,
  type SearchOptions,
  withChips,
} from './searchLatents.ts'

/** How far embedding has come. */
export type EmbedProgress = { readonly n_embedded: number; readonly n_labels: number }

/**
 * Embeds the labels in force of a suite that have no vector yet, a batch at a time; what was done stays, so a run that was
 * stopped goes on where it was.
 * @param options.replace drops the vectors of another model first.
 * @throws Error where another model embedded labels here and `replace` is not given.
 */
export async function embedLabels(
  db: Database,
  suite: string,
  embedder: Embedder,
  options: {
    batch: number
    replace?: boolean
    signal?: AbortSignal
    onProgress?: (progress: EmbedProgress) => void
  },
): Promise<EmbedProgress> {
  const { batch, signal, onProgress = () => {} } = options
  await claim(db, embedder, options.replace ?? false)
  let { n_embedded, n_labels } = await countVectors(db, suite)
  onProgress({ n_embedded, n_labels })
  for (let after = -1; ; ) {
    signal?.throwIfAborted()
    const labels = await labelsWithoutVector(db, suite, after, batch)
    const last = labels.at(-1)
    if (!last) return { n_embedded, n_labels }
    // Many latents carry the same label: each text is embedded once a batch.
    const texts = [...new Set(labels.map(({ text }) => text))]
    const vectors = await embedder.embed(texts, 'text', signal)
    const by_text = new Map(texts.map((text, i) => [text, vectors[i]!]))
    await putLabelVectors(
      db,
      labels.map(({ id, text }) => ({ id, vector: by_text.get(text)! })),
    )
    after = last.id
    n_embedded += labels.length
    onProgress({ n_embedded, n_labels })
  }
}

/** Makes the tables where there are none; refuses to mix vectors of two models. */
async function claim(db: Database, embedder: Embedder, replace: boolean): Promise<void> {
  const there = await storedEmbedder(db)
  const same =
    there && JSON.stringify(sorted(there.source)) === JSON.stringify(sorted(embedder.source))
  if (same && !replace) return
  if (there && !same && !replace)
    throw new Error(
      `the labels here are embedded by ${there.source.model}, not ${embedder.source.model}, and vectors of two models cannot be compared. Give --replace to embed all of them again.`,
    )
  const [probe] = await embedder.embed(['a label'], 'text')
  await prepareVectors(db, { source: embedder.source, dims: probe!.length })
}

const sorted = (source: object): [string, unknown][] =>
  Object.entries(source)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))

/** Latents that a search by meaning finds at the most: what is farther away means something else. */
const NEAREST = 200
/** Labels that the index is asked for, put in order by their vectors: with fewer, near ones are missed. */
const CANDIDATES = 600
/** So few labels are each held against the query; of more the index picks the candidates. */
const EXACT = 10_000

/**
 * Latents whose label means what the query means, by cosine of their embeddings; each latent once, by its nearest label, at most 200.
 * Where more than 10,000 labels pass the filters, an index picks those that are compared, and may miss some.
 * @param open opens the embedder that the labels were embedded by. @param options.exact in place of 10,000.
 * @returns undefined where no label is embedded.
 */
export async function searchByMeaning(
  db: Database,
  open: (source: EmbedderSource) => Promise<Embedder>,
  options: SearchOptions & { exact?: number; signal?: AbortSignal },
): Promise<SearchAnswer | undefined> {
  const started = performance.now()
  const stored = await storedEmbedder(db)
  if (!stored) return undefined
  const query = readQuery(options.query)
  if (query === '') return { n_total: 0, more: false, took_ms: 0, hits: [] }
  const [vector] = await (await open(stored.source)).embed([query], 'query', options.signal)
  if (vector?.length !== stored.dims)
    throw new Error(
      `${stored.source.model} gives ${vector?.length} numbers now, and gave ${stored.dims} when it embedded the labels. Embed them again: hooke embed --replace.`,
    )
  const { limit, offset } = pageOf(options)
  const latents = await latentsByMeaning(
    db,
    vector,
    await readScope(db, options),
    options.exact ?? EXACT,
  )
  const nearest = latents.slice(0, NEAREST)
  const page = nearest.slice(offset, offset + limit)
  const hits = await withChips(
    db,
    page.map((row) => ({ ...row, matched: 'meaning' as const })),
  )
  const more = latents.length > NEAREST
  return { n_total: nearest.length, more, took_ms: performance.now() - started, hits }
}

/** Searches for no meaning in particular, so that the index is read before somebody waits for it; the embedder is not opened. */
export async function warmMeaning(db: Database): Promise<void> {
  const stored = await storedEmbedder(db)
  if (!stored) return
  const anywhere = new Float32Array(stored.dims).fill(1 / Math.sqrt(stored.dims))
  await latentsByMeaning(db, anywhere, await readScope(db, {}), EXACT)
}

type Near = { sae: SaeId; index: number; snippet: string; rank: number }

/** Latents by the cosine of their nearest label, largest first. */
async function latentsByMeaning(
  db: Database,
  vector: Float32Array,
  scope: Scope,
  exact: number,
): Promise<readonly Near[]> {
  const p = new Parameters()
  const within = `l.retired_at is null${labelRowConditions(p, scope, 'l')}`
  const [labels] = await db.query<{ n: number }>(
    `select count(*)::int as n from (select from hooke.labels l where ${within} limit ${exact + 1}) l`,
    p.values,
  )
  const query = p.add(vectorText(vector), 'halfvec')
  const all = `select v.vector, l.id, l.sae, l.latent, l.text
    from hooke.label_vectors v join hooke.labels l on l.id = v.label where ${within}`
  const bits = (of: string): string => bitsOf(of, vector.length)
  const picked = `${all} order by ${bits('v.vector')} <~> ${bits(query)} limit ${CANDIDATES}`
  const inOrder = (source: string): string =>
    `with l as materialized (${source})
     select sae, latent as index, text as snippet, (1 - (vector <=> ${query}))::float8 as rank
     from l order by vector <=> ${query}, id limit ${CANDIDATES}`
  let rows: Near[] = []
  if (labels!.n > exact)
    rows = await db.transaction(async (tx) => {
      for (const [name, value] of Object.entries(INDEX_SCAN))
        await tx.query('select set_config($1, $2, true)', [name, value])
      return tx.query<Near>(inOrder(picked), p.values)
    })
  // Of labels that few pass, or that few have a vector of, the index may give up before it has found enough.
  if (rows.length < CANDIDATES) rows = await db.query<Near>(inOrder(all), p.values)
  const seen = new Set<string>()
  return rows.filter(({ sae, index }) => {
    const key = `${sae} ${index}`
    return seen.has(key) ? false : seen.add(key)
  })
}

/** Settings while candidates are picked: as many at a time, on where filters leave too few, and no plan that passes by the index. */
const INDEX_SCAN = {
  'hnsw.ef_search': String(CANDIDATES),
  'hnsw.iterative_scan': 'relaxed_order',
  'hnsw.max_scan_tuples': '40000',
  enable_sort: 'off',
} as const
