/** Part `open`: how long a model takes to open, and the most memory that it and a pass through it take. */
import { PRECISIONS } from '../../src/model/memory.ts'
import { gigabytes, median, type Row, warnIfBusy } from './report.ts'
import { Hooke, type Opened, randomIds, type Setup } from './setup.ts'

const N_TOKENS = 512

/** Every precision, `rounds` times each, in turns; the peak is taken after a plain pass. */
export async function benchOpen(setup: Setup): Promise<Row[]> {
  const opened = new Map<string, Opened[]>(PRECISIONS.map((weights) => [weights, []]))
  const ids = randomIds(setup.shape, 1, N_TOKENS)
  for (let round = 0; round < setup.rounds; round++) {
    for (const weights of PRECISIONS) {
      warnIfBusy()
      await Hooke.with(setup, { weights }, async (hooke) => {
        const { peak_bytes } = await hooke.ask({ do: 'forward', ids, sites: 'last' })
        opened.get(weights)!.push({ ...hooke.opened, peak_bytes })
      })
    }
  }
  return [...opened].flatMap(([weights, runs]) => {
    const { weights_bytes } = runs[0]!
    const peaks = runs.map(({ peak_bytes }) => peak_bytes)
    const seconds = median(runs.map(({ ms }) => ms)) / 1000
    const part = 'open'
    return [
      { part, what: `${weights}: time`, value: `${seconds.toFixed(2)} s` },
      {
        part,
        what: `${weights}: peak memory, a pass of ${N_TOKENS} included, / weights`,
        value: `${gigabytes(Math.max(...peaks))} / ${gigabytes(weights_bytes)}`,
        ratios: peaks.map((peak) => peak / weights_bytes),
        asked: { at_most: 1.15 },
      },
    ]
  })
}
