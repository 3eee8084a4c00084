/** Every compiled kernel, in both builds, against its readable twin on the same data. */
import { describe, expect, it } from 'vitest'
import { latentRandom } from '../initialise.ts'
import * as dense from './dense.ts'
import { type Kernels, kernelVariant, openKernels } from './load.ts'
import * as rows from './rows.ts'
import { MemoryPlan, type PlainShard, planShard, planShared, ShardView } from './shard.ts'
import * as update from './update.ts'

const SCALARS = {
  dead_steps: 3,
  n_active: 0,
  n_dead: 0,
  g_b_enc: 0,
  g_threshold: 0,
  bandwidth: 0.25,
  sparsity_slope: 0.7,
  pre_act_weight: 0.01,
  lr: 0.01,
  lr_threshold: 0.003,
  beta2: 0.999,
  v_scale: 5,
  adam_eps: 1e-8,
}

/** d_in 7 and 35 leave padding; widths leave a remainder after blocks of 16. */
const CASES = [
  { name: '3 tokens x 7 inputs x 5 latents', n: 3, d_in: 7, width: 5 },
  { name: '11 tokens x 35 inputs x 37 latents', n: 11, d_in: 35, width: 37 },
  { name: '6 tokens x 64 inputs x 48 latents', n: 6, d_in: 64, width: 48 },
]

type Setup = {
  kernels: Kernels
  view: ShardView
  pre_at: number
  out_at: number
  memory: WebAssembly.Memory
  plain: PlainShard
  pre: Float32Array
}

function setUp(variant: 'relaxed' | 'plain', { n, d_in, width }: (typeof CASES)[number]): Setup {
  const d = Math.ceil(d_in / 16) * 16
  const sizes = { d, width, n, capacity: n * width + width }
  const plan = new MemoryPlan()
  const shared = planShared(plan, sizes)
  const own = planShard(plan, sizes)
  const pre_at = plan.take(n * width)
  const out_at = plan.take(n * d)
  const memory = plan.allocate()
  const view = new ShardView(memory, sizes, own, shared)
  const random = latentRandom(1, n, width)
  const { arrays } = view
  const fillRows = (array: Float32Array, scale: number) => {
    for (let i = 0; i < array.length; i++) array[i] = i % d < d_in ? (random() * 2 - 1) * scale : 0
  }
  for (const name of ['W_enc', 'x', 'residual', 'mean_x'] as const) fillRows(arrays[name], 1)
  fillRows(arrays.W_dec, 1)
  for (let i = 0; i < width; i++) {
    const row = arrays.W_dec.subarray(i * d, (i + 1) * d)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d; k++) row[k]! /= norm
    arrays.threshold[i] = 0.2 + 0.2 * random()
    arrays.low[i] = arrays.threshold[i]! - SCALARS.bandwidth / 2
    arrays.b_enc[i] = random()
    arrays.v_b_enc[i] = random() * 0.01
    arrays.v_threshold[i] = random() * 0.01
    arrays.silent[i] = i % 5
  }
  for (const name of ['v_enc', 'v_dec'] as const) {
    fillRows(arrays[name], 0.1)
    for (let i = 0; i < arrays[name].length; i++) arrays[name][i] = Math.abs(arrays[name][i]!)
  }
  for (const [name, value] of Object.entries(SCALARS)) view.set(name as keyof typeof SCALARS, value)
  const pre = new Float32Array(memory.buffer, pre_at, n * width)
  // Latent 2 stays silent, so that the branches for it run too.
  for (let i = 0; i < pre.length; i++) pre[i] = i % width === 2 ? -1 : random() * 1.4 - 0.7
  const copies = Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, a.slice()]))
  const plain = { ...sizes, ...SCALARS, ...copies } as PlainShard
  return { kernels: openKernels(memory, variant), view, pre_at, out_at, memory, plain, pre }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, name: string): void {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < actual.length; i++) {
    const tolerance = 1e-5 * Math.max(1, Math.abs(expected[i]!))
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance))
      throw new Error(`${name}[${i}] is ${actual[i]}, expected ${expected[i]}`)
  }
}

describe.each(['plain', 'relaxed'] as const)('the %s kernels', (variant) => {
  const run = variant === 'plain' || kernelVariant() === 'relaxed' ? it : it.skip

  describe.each(CASES)('on $name', (sizes) => {
    run('scan, decode and transpose as their twins', () => {
      const { kernels, view, pre_at, out_at, memory, plain, pre } = setUp(variant, sizes)
      const half = Math.floor(sizes.n / 2)
      const nnz = kernels.scan(view.block, pre_at, 0, half, 0)
      const all = kernels.scan(
        view.block,
        pre_at + half * sizes.width * 4,
        half,
        sizes.n - half,
        nnz,
      )
      expect(rows.scan(plain, pre.subarray(0, half * sizes.width), 0, half, 0)).toBe(nnz)
      expect(rows.scan(plain, pre.subarray(half * sizes.width), half, sizes.n - half, nnz)).toBe(
        all,
      )
      expect(view.arrays.row_start).toEqual(plain.row_start)
      expect(view.arrays.index.subarray(0, all)).toEqual(plain.index.subarray(0, all))
      expect(view.arrays.value.subarray(0, all)).toEqual(plain.value.subarray(0, all))

      const out = new Float32Array(sizes.n * plain.d)
      kernels.decode(view.block, out_at)
      rows.decode(plain, out)
      expect(view.get('n_active')).toBe(plain.n_active)
      expect(plain.n_active).toBeLessThan(all)
      expectClose(new Float32Array(memory.buffer, out_at, out.length), out, 'out')

      kernels.transpose(view.block)
      rows.transpose(plain)
      expect(view.arrays.col_start.subarray(0, sizes.width + 1)).toEqual(
        plain.col_start.subarray(0, sizes.width + 1),
      )
      expect(view.arrays.token.subarray(0, all)).toEqual(plain.token.subarray(0, all))
      expect(view.arrays.col_value.subarray(0, all)).toEqual(plain.col_value.subarray(0, all))
    })

    run('take gradients and the optimiser step as their twins', () => {
      const { kernels, view, pre_at, plain, pre } = setUp(variant, sizes)
      kernels.scan(view.block, pre_at, 0, sizes.n, 0)
      kernels.transpose(view.block)
      rows.scan(plain, pre, 0, sizes.n, 0)
      rows.transpose(plain)
      for (let i = 0; i < sizes.width; i++) {
        expect(kernels.gradients(view.block, i)).toBe(update.gradients(plain, i))
        expectClose(view.arrays.g_enc, plain.g_enc, 'g_enc')
        expectClose(view.arrays.g_dec, plain.g_dec, 'g_dec')
        expectClose(
          [view.get('g_b_enc'), view.get('g_threshold')],
          [plain.g_b_enc, plain.g_threshold],
          'g',
        )
      }
      kernels.update(view.block)
      update.update(plain)
      expect(view.get('n_dead')).toBe(plain.n_dead)
      expect(view.arrays.silent).toEqual(plain.silent)
      for (const name of [
        'W_enc',
        'W_dec',
        'v_enc',
        'v_dec',
        'b_enc',
        'v_b_enc',
        'threshold',
        'v_threshold',
        'low',
        'g_b_dec',
      ] as const)
        expectClose(view.arrays[name], plain[name], name)
    })

    run('do the dense passes as their twins', () => {
      const { kernels, view, pre_at, plain } = setUp(variant, sizes)
      const { d } = plain
      const at = (array: Float32Array) => array.byteOffset
      const { x, residual, mean_x, g_enc } = view.arrays
      kernels.centre(at(x), 0.7, at(mean_x), sizes.n, d)
      dense.centre(plain.x, 0.7, plain.mean_x)
      kernels.add(at(residual), at(x), sizes.n * d)
      dense.add(plain.residual, plain.x)
      expectClose(residual, plain.residual, 'sum')
      kernels.subtract(at(x), at(residual), sizes.n * d)
      dense.subtract(plain.x, plain.residual)
      expectClose(x, plain.x, 'difference')
      const squares = kernels.moments(at(x), at(g_enc), sizes.n, d)
      expectClose([squares], [dense.moments(plain.x, plain.g_enc)], 'squares')
      expectClose(g_enc, plain.g_enc, 'mean')
      expect(pre_at).toBeGreaterThan(0)
    })
  })

  run('say when a batch has more entries than memory was set aside for', () => {
    const { kernels, view, pre_at, plain, pre } = setUp(variant, CASES[1]!)
    const full = plain.capacity - plain.width + 1
    expect(kernels.scan(view.block, pre_at, 0, 1, full)).toBe(-1)
    expect(rows.scan(plain, pre, 0, 1, full)).toBe(-1)
  })
})
