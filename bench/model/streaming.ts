/** Part `streaming`: capturing with less memory than the weights take, block by block, beside the same capture with all in memory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { differenceOfFiles } from './compare.ts'
import type { Time } from './contestant.ts'
import { gigabytes, type Row, tokensPerSecond, warnIfBusy } from './report.ts'
import { fitsMemory, Hooke, type Opening, randomIds, type Setup } from './setup.ts'
import { parameterCount } from './shape.ts'

const N_SEQS = 4
const SEQ_LEN = 256
const N_TOKENS = N_SEQS * SEQ_LEN

/** The budget is for the model and the pass, not for what the caller asked to have. */
type Captured = Time & { readonly returned_bytes: number }

/** Where the machine cannot hold all weights, only the streamed run is made. */
export async function benchStreaming(setup: Setup, name: string): Promise<Row[]> {
  const { shape, memory_bytes } = setup
  const isCompared = fitsMemory(4 * parameterCount(shape))
  if (!isCompared) console.error(`${name} in float32 does not fit into memory: nothing to compare`)
  const folder = await mkdtemp(join(setup.folder, 'streaming-'))
  const ids = randomIds(shape, N_SEQS, SEQ_LEN)
  const paths = [join(folder, 'streamed'), join(folder, 'whole')] as const
  const capture = (keep: string, opening: Opening) =>
    Hooke.with(setup, opening, (hooke) =>
      hooke.ask<Captured>({ do: 'forward', ids, sites: 'returned', ...(isCompared && { keep }) }),
    )
  try {
    warnIfBusy()
    const streamed = await capture(paths[0], { memory_bytes })
    const { peak_bytes, returned_bytes } = streamed
    const part = 'streaming'
    const rows: Row[] = [
      {
        part,
        what: `${name}, ${N_SEQS} x ${SEQ_LEN}, all sites, layers streamed`,
        value: tokensPerSecond(N_TOKENS, [streamed]),
      },
      {
        part,
        what: `${name}: its peak memory less what it returns / ${gigabytes(memory_bytes)} allowed`,
        value: `${gigabytes(peak_bytes)} - ${gigabytes(returned_bytes)}`,
        ratios: [(peak_bytes - returned_bytes) / memory_bytes],
        asked: { at_most: 1 },
      },
    ]
    if (!isCompared) return rows
    const whole = await capture(paths[1], { weights: 'f32' })
    const widths = [shape.d_model, shape.d_model, shape.n_heads * shape.d_head]
    const lengths = Array.from({ length: shape.n_layers }, () => widths)
      .flat()
      .map((width) => N_TOKENS * width)
    return [
      ...rows,
      {
        part,
        what: `${name}: the same with all weights in memory`,
        value: tokensPerSecond(N_TOKENS, [whole]),
      },
      {
        part,
        what: `${name}: largest difference of any site / its rms`,
        value: `${lengths.length} sites`,
        ratios: [await differenceOfFiles(...paths, lengths)],
        asked: { at_most: 1e-4 },
      },
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}
