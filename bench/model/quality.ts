/**
 * Part `quality`: how far the next-token distributions of fewer bits lie from those in float32. On random weights, which have no
 * outliers and no peaked distributions, so these figures say that the arithmetic is right and not what a trained model loses.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Precision } from '../../src/model/memory.ts'
import { divergence, readFloats } from './compare.ts'
import type { Row } from './report.ts'
import { Hooke, randomIds, type Setup } from './setup.ts'

const N_TOKENS = 64
const FEWER: readonly Precision[] = ['i16', 'bf16', 'q8', 'q4']

export async function benchQuality(setup: Setup): Promise<Row[]> {
  const { shape } = setup
  const folder = await mkdtemp(join(setup.folder, 'quality-'))
  const ids = randomIds(shape, 1, N_TOKENS)
  const logits = async (weights: Precision): Promise<Float32Array> => {
    const keep = join(folder, weights)
    await Hooke.with(setup, { weights }, (hooke) =>
      hooke.ask({ do: 'logits', ids, probes: [], keep }),
    )
    return readFloats(keep)
  }
  try {
    const exact = await logits('f32')
    const rows: Row[] = []
    for (const weights of FEWER) {
      const { kl_nats, top1 } = divergence(exact, await logits(weights), shape.d_vocab)
      rows.push({
        part: 'quality',
        what: `${weights} against f32 on ${N_TOKENS} random tokens`,
        value: `KL ${kl_nats.toExponential(1)} nats`,
      })
      rows.push({
        part: 'quality',
        what: `${weights}: share of tokens with the same likeliest next one`,
        value: `${Math.round(top1 * N_TOKENS)} of ${N_TOKENS}`,
        ratios: [top1],
      })
    }
    return rows
  } finally {
    await rm(folder, { recursive: true })
  }
}
