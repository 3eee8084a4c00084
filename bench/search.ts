/**
 * How long the first results of a search take over 500,000 labelled latents on an embedded database, by kind of query:
 * `node bench/search.ts [labels] [location]`. A location that holds them already is searched as it is.
 */

import { type SearchFilters, searchLatents } from '../src/search/index.ts'
import {
  addLabels,
  openDatabase,
  putLatents,
  refreshStatistics,
  upsertSae,
} from '../src/store/index.ts'

const n_labels = Number(process.argv[2] ?? 500_000)
const db = await openDatabase(process.argv[3] ?? 'memory://')
const D_SAE = 16_384
const ROUNDS = 5

/** Words by Zipf's law, so that some queries find a tenth of all labels and others a handful. */
const SYLLABLES = ['mo', 'on', 'sea', 'ra', 'li', 'ton', 'ka', 'ver', 'sun', 'ip', 'ost', 'ber']
const wordOf = (rank: number) =>
  rank
    .toString(SYLLABLES.length)
    .split('')
    .map((digit) => SYLLABLES[Number.parseInt(digit, SYLLABLES.length)])
    .join('')
let state = 1
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}
const word = () => wordOf(Math.floor(20_000 ** random()))

const saes: string[] = []
for (let first = 0; first < n_labels; first += D_SAE) {
  const layer = first / D_SAE
  const id = `bench~blocks.${layer}.hook_resid_post~width_16k~l0_32`
  saes.push(id)
  await upsertSae(db, {
    id,
    suite: 'bench',
    hook: `blocks.${layer}.hook_resid_post`,
    layer,
    d_in: 256,
    d_sae: D_SAE,
    l0_target: 32,
  })
}

const held = await longestTurn()
const started = performance.now()
const [filled] = await db.query<{ n: number }>('select count(*)::int as n from hooke.labels')
for (const [i, sae] of filled?.n === 0 ? saes.entries() : []) {
  const n = Math.min(D_SAE, n_labels - i * D_SAE)
  await putLatents(
    db,
    sae,
    (function* () {
      for (let index = 0; index < n; index++) {
        const tokens = [word(), word(), word(), word(), word()].map((w) => ` ${w}`)
        yield {
          index,
          density: random() / 100,
          n_active: 10,
          max_act: 10 * random(),
          mean_act: 1,
          top_tokens: Array.from({ length: 20 }, (_, k) => tokens[k % (1 + (index % 5))] ?? ''),
          top_logits: Array.from({ length: 10 }, () => ` ${word()}`),
        }
      }
    })(),
  )
  await addLabels(
    db,
    (function* () {
      for (let latent = 0; latent < n; latent++)
        yield {
          sae,
          latent,
          text: `“${word()}” near ${word()}, ${word()}`,
          method: 'lexical' as const,
          author: 'hooke lexical',
          evidence: 'peak in 17 of 20 top examples',
        }
    })(),
  )
}
if (filled?.n === 0) {
  await refreshStatistics(db)
  console.log(
    `${n_labels} latents and labels entered in ${((performance.now() - started) / 1000).toFixed(1)} s; longest turn of the event loop ${held.stop().toFixed(0)} ms`,
  )
}

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
console.log(`${n_labels} labels; first 40 results, ms of ${ROUNDS} rounds a query, the first cold`)
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
    times.sort((a, b) => a - b)
    const at = (share: number) => times[Math.ceil(share * times.length) - 1]?.toFixed(0)
    console.log(`| ${name} | ${kind} | ${found} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`)
  }
await db.close()

/** Watches how long the event loop is held. */
async function longestTurn() {
  const { monitorEventLoopDelay } = await import('node:perf_hooks')
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  return {
    stop: () => {
      delay.disable()
      return delay.max / 1e6
    },
  }
}
