/**
 * Search by meaning over 500,000 labels: how long vectors of 384 numbers take to enter, how long a search takes, and how much of what
 * comparing every label finds it finds: `node bench/meaning.ts [labels] [location]`. What is entered stays and is gone on with.
 *
 * The encoder is a stand-in that costs nothing: a direction a word, summed. Labels that share a word are near each other.
 */
import {
  type Embedder,
  embedLabels,
  type SearchFilters,
  searchByMeaning,
} from '../src/search/index.ts'
import { openManyLabels, randomFrom, timesAsCells, wordOf } from './manyLabels.ts'

const n_labels = Number(process.argv[2] ?? 500_000)
const D = 384
const SHOWN = 40
const directions = new Map<string, Float32Array>()

/** A direction of normal numbers, the same for the same word. */
function directionOf(word: string): Float32Array {
  let direction = directions.get(word)
  if (direction) return direction
  const random = randomFrom([...word].reduce((seed, c) => (seed * 31 + c.charCodeAt(0)) | 0, 7))
  direction = Float32Array.from(
    { length: D },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
  directions.set(word, direction)
  return direction
}

function vectorOf(text: string): Float32Array {
  const sum = new Float32Array(D)
  for (const word of text.match(/\p{L}+/gu) ?? [])
    if (word !== 'near') for (let i = 0; i < D; i++) sum[i]! += directionOf(word)[i]!
  let squares = 0
  for (const x of sum) squares += x * x
  return sum.map((x) => x / Math.sqrt(squares))
}

const embedder: Embedder = {
  source: { kind: 'api', model: 'a direction a word' },
  embed: async (texts) => texts.map(vectorOf),
  close: async () => {},
}

const { db, saes } = await openManyLabels(n_labels, process.argv[3] ?? 'memory://')
let entered = { n: 0, at: performance.now() }
await embedLabels(db, 'bench', embedder, {
  batch: 64,
  onProgress({ n_embedded }) {
    const n = n_embedded - entered.n
    if (entered.n > 0 && n < 25_000) return
    const ms = (performance.now() - entered.at) / n
    if (entered.n > 0) console.log(`${n_embedded} vectors; the last ${n} ${ms.toFixed(2)} ms each`)
    entered = { n: n_embedded, at: performance.now() }
  },
})
const [size] = await db.query<{ table: number; index: number }>(
  "select pg_table_size('hooke.label_vectors')::float8 as table, pg_relation_size('hooke.label_vectors_bits')::float8 as index",
)
const MB = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const memory = MB(process.memoryUsage().rss)
console.log(
  `vectors ${MB(size!.table)}, index ${MB(size!.index)}, memory of this process ${memory}`,
)

const words = Array.from({ length: 10 }, (_, i) => wordOf(3 ** i % 20_000))
const pairs = words.map((word, i) => `${word} ${wordOf(40 + 7 * i)}`)
const QUERIES: Record<string, { queries: string[]; filters?: SearchFilters }> = {
  'one word': { queries: words },
  'two words': { queries: pairs },
  'three words': { queries: pairs.map((pair, i) => `${pair} ${wordOf(900 + i)}`) },
  'two words, in one SAE': { queries: pairs, filters: { sae: saes[0] } },
  'two words, in a quarter of the layers': {
    queries: pairs,
    filters: { suite: 'bench', layer_to: Math.floor(saes.length / 4) },
  },
  'two words, at a density': { queries: pairs, filters: { density_to: 1e-4 } },
}
const search = async (query: string, more: object) =>
  (await searchByMeaning(db, async () => embedder, { query, limit: SHOWN, ...more }))!
console.log(`${n_labels} labels; first ${SHOWN} results; the first search of the process apart`)
console.log(`first: ${(await search(words[3]!, {})).took_ms.toFixed(0)} ms`)
console.log('| query | p50 | p95 | longest | found of the nearest | comparing all, ms |')
console.log('|---|---|---|---|---|---|')
for (const [name, { queries, filters = {} }] of Object.entries(QUERIES)) {
  const times: number[] = []
  let [n_found, n_nearest, all_ms] = [0, 0, 0]
  for (const query of queries) {
    const { hits, took_ms } = await search(query, filters)
    times.push(took_ms)
    const exact = await search(query, { ...filters, exact: Number.MAX_SAFE_INTEGER - 1 })
    all_ms += exact.took_ms / queries.length
    // Labels of the same words are equally near: any of them will do.
    const farthest = exact.hits.at(-1)?.rank ?? 1
    n_nearest += exact.hits.length
    n_found += hits.filter(({ rank }) => rank >= farthest - 1e-4).length
  }
  const share = ((100 * n_found) / n_nearest).toFixed(1)
  console.log(`| ${name} | ${timesAsCells(times)} | ${share} % | ${all_ms.toFixed(0)} |`)
}
await db.close()
