/** Search by meaning: labels whose embedding is near that of the query, and how the embeddings come to be. */
import {
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
import {
  densityCondition,
  labelCondition,
  Parameters,
  readScope,
  type Scope,
  saeCondition,
} from './scope.ts'
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

/** The model that embedded labels, and how many; undefined where none did. */
export async function embeddedBy(
  db: Database,
): Promise<{ model: string; n_embedded: number } | undefined> {
  const embedder = await storedEmbedder(db)
  if (!embedder) return undefined
  const [row] = await db.query<{ n: number }>('select count(*)::int as n from hooke.label_vectors')
  return { model: embedder.source.model, n_embedded: row?.n ?? 0 }
}

/**
 * Latents whose label means what the query means, by cosine of their embeddings; each latent once, by its nearest label.
 * @param open opens the embedder that the labels were embedded by.
 * @returns undefined where no label is embedded.
 */
export async function searchByMeaning(
  db: Database,
  open: (source: EmbedderSource) => Promise<Embedder>,
  options: SearchOptions & { signal?: AbortSignal },
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
  const scope = await readScope(db, options)
  const { rows, more } = await nearestLabels(db, vector, scope, offset + limit)
  const page = rows
    .slice(offset, offset + limit)
    .map((row) => ({ ...row, matched: 'meaning' as const }))
  const hits = await withChips(db, page)
  return { n_total: rows.length, more, took_ms: performance.now() - started, hits }
}

type Near = { sae: SaeId; index: number; snippet: string; rank: number }

async function nearestLabels(
  db: Database,
  vector: Float32Array,
  scope: Scope,
  wanted: number,
): Promise<{ rows: Near[]; more: boolean }> {
  const p = new Parameters()
  const near = `v.vector <=> ${p.add(vectorText(vector), 'halfvec')}`
  const within = `l.retired_at is null${saeCondition(p, scope, 'l.sae')}${labelCondition(p, scope, 'l')}${densityCondition(p, scope, 'l.sae', 'l.latent')}`
  // Several labels of one latent may be near.
  const most = 2 * wanted
  const rows = await db.transaction(async (tx) => {
    await tx.query("select set_config('hnsw.ef_search', $1, true)", [
      String(Math.min(1000, Math.max(40, most))),
    ])
    // Goes on in the index where the filters leave too few.
    await tx.query("select set_config('hnsw.iterative_scan', 'strict_order', true)")
    return tx.query<Near>(
      `select l.sae, l.latent as index, l.text as snippet, (1 - (${near}))::float8 as rank
       from hooke.label_vectors v join hooke.labels l on l.id = v.label
       where ${within} order by ${near} limit ${most}`,
      p.values,
    )
  })
  const seen = new Set<string>()
  const once = rows.filter(({ sae, index }) => {
    const key = `${sae} ${index}`
    return seen.has(key) ? false : seen.add(key)
  })
  return { rows: once, more: rows.length === most }
}
