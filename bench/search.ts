/**
 * How long the first results of a search take over 500,000 labelled latents on an embedded database, by kind of query:
 * `node bench/search.ts [labels] [location] [cold]`. What a location holds already is searched as it is. With `cold` the first search is
 * not prepared as the server does.
 */
import { type SearchFilters, searchLatents, warmSearch } from '../src/search/index.ts'
import { openManyLabels, timesAsCells, wordOf } from './manyLabels.ts'

const n_labels = Number(process.argv[2] ?? 500_000)
const ROUNDS = 5
const { db, saes } = await openManyLabels(n_labels, process.argv[3] ?? 'memory://')

/** Words of about as many labels as said, of 20,000 by Zipf's law. */
const many = (rank: number) => Array.from({ length: 5 }, (_, i) => wordOf(rank + i))
const misspelt = (word: string) => `${word.slice(0, 3)}x${word.slice(3)}`
const QUERIES: Record<string, { queries: string[]; options?: SearchFilters }> = {
  'a word of every label': { queries: ['near'] },
  'words of 1 in 10 to 1 in 50': { queries: many(1) },
  'words of 1 in 1,000': { queries: many(500) },
  'words of 1 in 20,000': { queries: many(9_995) },
  'two common words': { queries: [`${wordOf(1)} ${wordOf(2)}`, `near ${wordOf(1)}`] },
  'a common and a rare word': { queries: many(9_000).map((word) => `near ${word}`) },
  'four words': { queries: [`near ${many(1).slice(0, 3).join(' ')}`] },
  'beginnings of 2 letters': { queries: ['on', 'se', 'ra', 'li', 'ka'] },
  'beginnings of 4 letters': { queries: many(9_000).map((word) => word.slice(0, 4)) },
  'words with a letter too many': { queries: many(9_000).map(misspelt) },
  'words that are nowhere': { queries: ['qqqzzz', 'wxyzzy', 'bbbb'] },
  'a sign': { queries: ['“', '☃'] },
  'a common word in one SAE': { queries: many(1), options: { sae: saes[0] } },
  'a common word at a density': { queries: many(1), options: { density_to: 1e-4 } },
  'a common word with a score': { queries: many(1), options: { score_from: 0.9 } },
}
const prepared = performance.now()
if (process.argv[4] !== 'cold') await warmSearch(db, new AbortController().signal)
const preparing_ms = (performance.now() - prepared).toFixed(0)
const { took_ms } = await searchLatents(db, { query: 'near', limit: 40 })
console.log(`prepared in ${preparing_ms} ms; first search ${took_ms.toFixed(0)} ms`)
console.log(`${n_labels} labels; first 40 results, ms of ${ROUNDS} rounds a query`)
console.log('| query | looked in | found | p50 | p95 | longest |\n|---|---|---|---|---|---|')
for (const [name, { queries, options = {} }] of Object.entries(QUERIES))
  for (const kind of ['all', 'label', 'token', 'logit'] as const) {
    const times: number[] = []
    let found = ''
    for (let round = 0; round < ROUNDS; round++)
      for (const query of queries) {
        const { took_ms, n_total, more } = await searchLatents(db, {
          ...options,
          query,
          kind,
          limit: 40,
        })
        times.push(took_ms)
        found = `${n_total.toLocaleString('en')}${more ? ' or more' : ''}`
      }
    console.log(`| ${name} | ${kind} | ${found} | ${timesAsCells(times)} |`)
  }
await db.close()
