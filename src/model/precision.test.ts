/** Every family in every precision, and read block by block: through the graphs, and a few rows at a time through the kernels. */

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectClose, openGolden } from '../../test/golden.ts'
import { packageRoot } from '../files/index.ts'
import { padBatch } from './batch.ts'
import { openModel } from './openModel.ts'
import type { HookEdit, Model } from './types.ts'

/** Tiny random checkpoints with bf16, f16 and f32 weights among them; makers stand in their folders. */
const FIXTURES = [
  'gemma2-tiny',
  'gemma3-tiny',
  'llama-tiny',
  'llama-biased-tiny',
  'mistral-tiny',
  'qwen2-tiny',
  'qwen3-tiny',
  'gpt2-tiny',
  'gpt-neox-tiny',
  'gpt-neox-sequential-tiny',
] as const
/** Sums in another order. */
const SELF_TOLERANCE = 2e-5
const pathOf = (fixture: string): string => join(packageRoot(), 'test/fixtures', fixture)

type Golden = Awaited<ReturnType<typeof openGolden>>

/** Logits [n_seqs, seq_len, d_vocab] by a cache that is fed in pieces of 1 to 4 columns, then by longer ones. */
async function inPieces(model: Model, golden: Golden, edits: readonly HookEdit[] = []) {
  const { n_seqs, seq_len } = padBatch(golden.sequences)
  const { d_vocab } = model.config
  const cache = model.openCache(n_seqs)
  const logits = new Float32Array(n_seqs * seq_len * d_vocab)
  const cuts = [0, 3, 4, 5, 9, 10, 23, 24, 28, seq_len]
  for (const [i, from] of cuts.slice(0, -1).entries()) {
    const to = Math.min(cuts[i + 1]!, seq_len)
    if (to <= from) continue
    const piece = padBatch(golden.sequences.map((ids) => ids.slice(from, to)))
    const part = (await model.forward(piece, { cache, logits: true, edits })).logits!
    const row = (to - from) * d_vocab
    for (let seq = 0; seq < n_seqs; seq++)
      logits.set(part.subarray(seq * row, (seq + 1) * row), (seq * seq_len + from) * d_vocab)
  }
  cache.close()
  return logits
}

/** Root of the mean squared difference over that of the values about their mean. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  const mean = expected.reduce((sum, x) => sum + x, 0) / expected.length
  let [error, size] = [0, 0]
  for (const [i, x] of expected.entries()) {
    error += (found[i]! - x) ** 2
    size += (x - mean) ** 2
  }
  return Math.sqrt(error / size)
}

/** The least memory with which the model opens at all, to 2 KiB. */
async function leastBudget(
  use: (
    options: { memory_bytes: number },
    work: (model: Model) => Promise<number>,
  ) => Promise<number>,
): Promise<number> {
  let [too_few, enough] = [0, 2 ** 30]
  while (enough - too_few > 2 ** 11) {
    const memory_bytes = Math.round((too_few + enough) / 2)
    try {
      enough = await use({ memory_bytes }, async ({ memory }) => memory.budget_bytes!)
    } catch (error) {
      expect(String(error)).toMatch(
        /RangeError: memory: .* even when its blocks are read one by one/,
      )
      too_few = memory_bytes
    }
  }
  return enough
}

describe.each(FIXTURES)('%s', async (fixture) => {
  const golden = await openGolden(pathOf(fixture))
  const batch = padBatch(golden.sequences)
  const expected = await golden.values('logits')
  const use = async <T>(
    options: Parameters<typeof openModel>[1],
    work: (model: Model) => Promise<T>,
  ): Promise<T> => {
    const model = await openModel(pathOf(fixture), options)
    try {
      return await work(model)
    } finally {
      await model.close()
    }
  }

  it("keeps the checkpoint's own 16 bits exactly, by graphs and by kernels", async () => {
    await use({ threads: 2, weights: 'bf16' }, async (model) => {
      const { logits } = await model.forward(batch, { logits: true })
      expectClose(logits, expected, SELF_TOLERANCE, 'graphs')
      expectClose(await inPieces(model, golden), expected, SELF_TOLERANCE, 'kernels')
    })
  })

  it('is near float32 in 16-bit integers, whole and in pieces', async () => {
    await use({ threads: 2, weights: 'i16' }, async (model) => {
      const { logits } = await model.forward(batch, { logits: true })
      for (const found of [logits!, await inPieces(model, golden)])
        expect(relativeError(found, expected)).toBeLessThan(1e-4)
    })
  })

  it('edits a few rows as it edits many', async () => {
    const hooks = [
      'blocks.1.hook_attn_out',
      'blocks.0.hook_mlp_out',
      'blocks.1.attn.hook_z',
    ] as const
    const edits = hooks.map((hook) => ({
      hook,
      apply: ({ data }: { data: Float32Array }) => data.set(data.map((x) => 1.5 * x + 0.1)),
    }))
    const plain = await use({ threads: 1 }, (model) =>
      model.forward(batch, { logits: true, edits }),
    )
    await use({ threads: 2, weights: 'bf16' }, async (model) => {
      expectClose(await inPieces(model, golden, edits), plain.logits!, SELF_TOLERANCE)
    })
  })

  it('is near in 8 bits and farther in 4, the same for any number of threads', async () => {
    const errors: number[] = []
    for (const [weights, most] of [
      ['q8', 0.05],
      ['q4', 0.6],
    ] as const) {
      const runs = [1, 2].map((threads) =>
        use({ threads, weights }, async (model) => ({
          graphs: (await model.forward(batch, { logits: true })).logits!,
          kernels: await inPieces(model, golden),
        })),
      )
      const [one, two] = await Promise.all(runs)
      expect(two!.kernels).toEqual(one!.kernels)
      for (const logits of [one!.graphs, one!.kernels]) {
        const error = relativeError(logits, expected)
        expect(error).toBeLessThan(most)
        expect(error).toBeGreaterThan(0)
        errors.push(error)
      }
    }
    expect(errors[2]!).toBeGreaterThan(2 * errors[0]!)
  })

  it('gives the same numbers when its blocks are read one by one', async () => {
    const options = { hooks: [] as const, logits: true, loss: true } as const
    const plain = await use({ threads: 1 }, (model) => model.forward(batch, options))
    const streamed = await use(
      { threads: 1, memory_bytes: await leastBudget(use) },
      async (model) => {
        expect(model.memory).toMatchObject({ isStreamed: true, weights_bytes: 0 })
        await model.forward(batch, options)
        return model.forward(batch, options)
      },
    )
    expect(streamed.logits).toEqual(plain.logits)
    expect(streamed.next_token_loss).toEqual(plain.next_token_loss)
  })
})
