/** A database of many labelled latents for the benches of search, made up by seeded rules and filled once. */
import {
  addLabels,
  type Database,
  openDatabase,
  putLatents,
  refreshStatistics,
  upsertSae,
} from '../src/store/index.ts'

const D_SAE = 16_384

/** Words by Zipf's law, so that some queries find a tenth of all labels and others a handful. */
const SYLLABLES = ['mo', 'on', 'sea', 'ra', 'li', 'ton', 'ka', 'ver', 'sun', 'ip', 'ost', 'ber']
export const wordOf = (rank: number): string =>
  rank
    .toString(SYLLABLES.length)
    .split('')
    .map((digit) => SYLLABLES[Number.parseInt(digit, SYLLABLES.length)])
    .join('')

/** Numbers in [0, 1) from a seed. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/**
 * Opens `location` with `n_labels` latents of SAEs of 16,384, a label each, in the suite `bench`. SAEs that are there already are
 * left as they are, so filling that was broken off goes on.
 * @returns the database and the ids of its SAEs.
 */
export async function openManyLabels(
  n_labels: number,
  location: string,
): Promise<{ db: Database; saes: string[] }> {
  const db = await openDatabase(location)
  const held = await longestTurn()
  const started = performance.now()
  const saes: string[] = []
  let n_entered = 0
  for (let first = 0; first < n_labels; first += D_SAE) {
    const layer = first / D_SAE
    const hook = `blocks.${layer}.hook_resid_post`
    const sae = `bench~${hook}~width_16k~l0_32`
    const n = Math.min(D_SAE, n_labels - first)
    saes.push(sae)
    await upsertSae(db, {
      id: sae,
      suite: 'bench',
      hook,
      layer,
      d_in: 256,
      d_sae: D_SAE,
      l0_target: 32,
    })
    const [there] = await db.query<{ n: number }>(
      'select count(*)::int as n from hooke.labels where sae = $1',
      [sae],
    )
    if (there?.n === n) continue
    const random = randomFrom(layer + 1)
    const word = () => wordOf(Math.floor(20_000 ** random()))
    await putLatents(db, sae, latents(n, word, random))
    await addLabels(db, labels(sae, n, word))
    n_entered += n
  }
  if (n_entered > 0) {
    await refreshStatistics(db)
    console.log(
      `${n_entered} latents and labels entered in ${((performance.now() - started) / 1000).toFixed(1)} s; longest turn of the event loop ${held.stop().toFixed(0)} ms`,
    )
  }
  return { db, saes }
}

function* latents(n: number, word: () => string, random: () => number) {
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
}

function* labels(sae: string, n: number, word: () => string) {
  for (let latent = 0; latent < n; latent++)
    yield {
      sae,
      latent,
      text: `“${word()}” near ${word()}, ${word()}`,
      method: 'lexical' as const,
      author: 'hooke lexical',
      evidence: 'peak in 17 of 20 top examples',
    }
}

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

/** Median, 95th percentile and longest of some times, rounded to ms, as cells of a table. */
export function timesAsCells(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  return [0.5, 0.95, 1]
    .map((share) => sorted[Math.ceil(share * sorted.length) - 1]!.toFixed(0))
    .join(' | ')
}
