/** Part `open`: how long a model takes to open, and the most memory that it and a pass through it take. */

import { gigabytes, median, type Row, warnIfBusy } from './report.ts'
import { Hooke, randomIds, type Setup, type Weights } from './setup.ts'
import { parameterCount } from './shape.ts'

/** Bytes a weight: of 8 and 4 bits, with the float16 scale that a block of 32 shares. */
const WEIGHT_BYTES: Readonly<Record<Weights, number>> = {
  f32: 4,
  bf16: 2,
  q8: 1 + 2 / 32,
  q4: 0.5 + 2 / 32,
}
const N_TOKENS = 512

/** Every precision, `rounds` times each, in turns; the peak is taken after a plain pass. */
export async function benchOpen(setup: Setup): Promise<Row[]> {
  const names = Object.keys(WEIGHT_BYTES) as Weights[]
  const found = new Map(names.map((name) => [name, { ms: [] as number[], peak: [] as number[] }]))
  const ids = randomIds(setup.shape, 1, N_TOKENS)
  for (let round = 0; round < setup.rounds; round++) {
    for (const weights of names) {
      warnIfBusy()
      await Hooke.with(setup, { weights }, async (hooke) => {
        const { peak_bytes } = await hooke.ask({ do: 'forward', ids, sites: 'last' })
        found.get(weights)!.ms.push(hooke.opened.ms)
        found.get(weights)!.peak.push(peak_bytes)
      })
    }
  }
  return names.flatMap((weights) => {
    const { ms, peak } = found.get(weights)!
    const bytes = parameterCount(setup.shape) * WEIGHT_BYTES[weights]
    const seconds = median(ms) / 1000
    return [
      { part: 'open', what: `${weights}: time`, value: `${seconds.toFixed(2)} s` },
      {
        part: 'open',
        what: `${weights}: peak memory with a pass of ${N_TOKENS}, / weights ${gigabytes(bytes)}`,
        value: gigabytes(Math.max(...peak)),
        ratios: peak.map((value) => value / bytes),
        asked: { at_most: 1.15 },
      },
    ]
  })
}
