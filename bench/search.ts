/** How long search takes over 100,000 labelled latents on an embedded database: `node bench/search.ts [labels] [location]`. */

import { searchLatents } from '../src/search/index.ts'
import { addLabels, openDatabase, putLatents, upsertSae } from '../src/store/index.ts'

const n_labels = Number(process.argv[2] ?? 100_000)
const db = await openDatabase(process.argv[3] ?? 'memory://')
const D_SAE = 16_384

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

const longest = await longestTurn()
const started = performance.now()
for (const [i, sae] of saes.entries()) {
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
console.log(
  `${n_labels} latents and labels entered in ${((performance.now() - started) / 1000).toFixed(1)} s; longest turn of the event loop ${longest.stop().toFixed(0)} ms`,
)

for (const query of [
  wordOf(9_999),
  wordOf(500),
  wordOf(1),
  wordOf(1).slice(0, 2),
  `${wordOf(3)} ${wordOf(4)}`,
  'seaxton',
  'near',
  'zzzzqqq',
])
  for (const kind of ['all', 'label', 'token', 'logit'] as const) {
    await searchLatents(db, { query, kind })
    const times: number[] = []
    let n_total = 0
    for (let i = 0; i < 5; i++) {
      const result = await searchLatents(db, { query, kind, sae: i === 4 ? saes[0] : undefined })
      times.push(result.took_ms)
      if (i < 4) n_total = result.n_total
    }
    const in_one = times.pop() ?? 0
    console.log(
      `${query.padEnd(12)} ${kind.padEnd(6)} ${String(n_total).padStart(7)} hits  median ${times.toSorted((a, b) => a - b)[2]?.toFixed(0)} ms, in one SAE ${in_one.toFixed(0)} ms`,
    )
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
