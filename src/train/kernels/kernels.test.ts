/** Every compiled kernel, in both builds, against its readable twin on the same data. */
import { describe, expect, it } from 'vitest'
import { latentRandom } from '../initialise.ts'
import * as dense from './dense.ts'
import { type Kernels, kernelVariant, openKernels } from './load.ts'
import * as propose from './propose.ts'
import * as rows from './rows.ts'
import * as select from './select.ts'
import {
  MemoryPlan,
  type PlainShard,
  planShard,
  planShared,
  type ShardScalars,
  type ShardSizes,
  ShardView,
} from './shard.ts'
import * as update from './update.ts'

const SCALARS: ShardScalars = {
  ...{ is_gated: 0, learns_threshold: 1, input_bias: 1, has_aux: 0, flip: 0 },
  ...{ dead_steps: 3, n_listed: 0, n_active: 0, n_dead: 0, touched: 0, paid: 0 },
  ...{ g_u: 0, g_b_enc: 0, g_threshold: 0, g_r_mag: 0, g_b_mag: 0 },
  ...{ bandwidth: 0.25, sparsity_slope: 0.7, activation_price: 0, frequency_weight: 0 },
  ...{ frequency_knee: 0.1, pre_act_weight: 0.01, aux_weight: 0.03 },
  ...{ lr: 0.01, lr_threshold: 0.003, beta2: 0.999, v_scale: 5, adam_eps: 1e-8 },
}

/** d_in 7 and 35 leave padding; widths leave a remainder after blocks of 16; outputs may be wider or narrower. */
const CASES = [
  { name: '3 tokens x 7 inputs x 5 latents', n: 3, d_in: 7, d_out: 7, width: 5 },
  { name: '11 tokens x 35 inputs x 37 latents', n: 11, d_in: 35, d_out: 35, width: 37 },
  { name: '6 tokens x 64 inputs x 48 latents', n: 6, d_in: 64, d_out: 64, width: 48 },
  { name: '9 tokens x 20 inputs x 37 latents x 50 outputs', n: 9, d_in: 20, d_out: 50, width: 37 },
]

/** What an architecture makes of a shard. */
const KINDS = {
  'learned thresholds': {},
  'learned thresholds with a frequency penalty': { frequency_weight: 0.3 },
  'paid activations': { learns_threshold: 0, activation_price: 0.2, pre_act_weight: 0 },
  'dead latents that learn': { learns_threshold: 0, has_aux: 1, pre_act_weight: 0, input_bias: 0 },
  gates: { is_gated: 1, learns_threshold: 0, activation_price: 0.2, pre_act_weight: 0 },
} satisfies Record<string, Partial<ShardScalars>>

type Setup = {
  kernels: Kernels
  view: ShardView
  pre_at: number
  out_at: number
  least_at: number
  memory: WebAssembly.Memory
  plain: PlainShard
  pre: Float32Array
}

function setUp(
  variant: 'relaxed' | 'plain',
  { n, d_in, d_out: out, width }: (typeof CASES)[number],
  kind: Partial<ShardScalars> = {},
): Setup {
  const scalars = { ...SCALARS, ...kind }
  const [d, d_out] = [d_in, out].map((d) => Math.ceil(d / 16) * 16) as [number, number]
  const capacity = n * width + width
  const sizes: ShardSizes = {
    ...{ d, d_out, width, n, capacity },
    aux_capacity: scalars.has_aux ? capacity : 0,
    gated_width: scalars.is_gated ? width : 0,
    rounded_width: width,
  }
  const plan = new MemoryPlan()
  const shared = planShared(plan, sizes)
  const own = planShard(plan, sizes)
  const pre_at = plan.take(n * width)
  const out_at = plan.take(n * d_out)
  const least_at = plan.take(n)
  const memory = plan.allocate()
  const view = new ShardView(memory, sizes, own, shared)
  const random = latentRandom(1, n, width)
  const { arrays } = view
  const fillRows = (array: Float32Array, of: number, stride: number, scale = 1) => {
    for (let i = 0; i < array.length; i++)
      array[i] = i % stride < of ? (random() * 2 - 1) * scale : 0
  }
  for (const name of ['W_enc', 'x', 'mean_x'] as const) fillRows(arrays[name], d_in, d)
  for (const name of ['W_dec', 'residual', 'residual_aux'] as const)
    fillRows(arrays[name], out, d_out)
  for (let i = 0; i < width; i++) {
    const row = arrays.W_dec.subarray(i * d_out, (i + 1) * d_out)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d_out; k++) row[k]! /= norm
    arrays.threshold[i] = scalars.learns_threshold ? 0.2 + 0.2 * random() : 0
    arrays.low[i] = scalars.learns_threshold ? arrays.threshold[i]! - scalars.bandwidth / 2 : 0
    arrays.b_enc[i] = random() - 0.5
    arrays.v_b_enc[i] = random() * 0.01
    arrays.v_threshold[i] = random() * 0.01
    arrays.silent[i] = i % 5
    if (!scalars.is_gated) continue
    arrays.r_mag[i] = random() - 0.5
    arrays.e_mag[i] = Math.exp(arrays.r_mag[i]!)
    arrays.b_mag[i] = random() - 0.7
    arrays.v_r_mag[i] = random() * 0.01
    arrays.v_b_mag[i] = random() * 0.01
  }
  for (const [name, of, stride] of [
    ['v_enc', d_in, d],
    ['v_dec', out, d_out],
  ] as const) {
    fillRows(arrays[name], of, stride, 0.1)
    for (let i = 0; i < arrays[name].length; i++) arrays[name][i] = Math.abs(arrays[name][i]!)
  }
  // Latents 3 and 4 of every five are dead.
  const dead = [...arrays.silent.keys()].filter((i) => arrays.silent[i]! >= scalars.dead_steps)
  arrays.dead.set(dead)
  scalars.n_listed = dead.length
  for (const [name, value] of Object.entries(scalars)) view.set(name as keyof ShardScalars, value)
  const pre = new Float32Array(memory.buffer, pre_at, n * width)
  // Latent 2 stays silent, so that the branches for it run too.
  for (let i = 0; i < pre.length; i++) pre[i] = i % width === 2 ? -1 : random() * 1.4 - 0.7
  const copies = Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, a.slice()]))
  const plain = { ...sizes, ...scalars, ...copies } as PlainShard
  const kernels = openKernels(memory, variant)
  return { kernels, view, pre_at, out_at, least_at, memory, plain, pre }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, name: string): void {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < actual.length; i++) {
    const tolerance = 1e-5 * Math.max(1, Math.abs(expected[i]!))
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance))
      throw new Error(`${name}[${i}] is ${actual[i]}, expected ${expected[i]}`)
  }
}

/** Compares the compressed rows or columns of both up to what is in use. */
function expectRows(view: ShardView, plain: PlainShard, names: Rows): void {
  const { arrays } = view
  const length = plain[names.start].length - (names.start.endsWith('col_start') ? 1 : 0)
  expect(arrays[names.start].subarray(0, length)).toEqual(plain[names.start].subarray(0, length))
  const nnz = plain[names.start][length - 1]!
  for (const name of names.entries)
    expect(arrays[name].subarray(0, nnz), name).toEqual(plain[name].subarray(0, nnz))
}
type Rows = {
  start: 'row_start' | 'col_start' | 'aux_row_start' | 'aux_col_start'
  entries: readonly (
    | ('index' | 'value' | 'gate' | 'token' | 'col_value' | 'col_gate')
    | ('aux_index' | 'aux_value' | 'aux_token' | 'aux_col_value')
  )[]
}
const ROWS: Rows = { start: 'row_start', entries: ['index', 'value'] }
const COLUMNS: Rows = { start: 'col_start', entries: ['token', 'col_value'] }

/** Every pass up to the columns, by the kernels and by their twins. */
function gather({ kernels, view, pre_at, plain, pre }: Setup): void {
  kernels.scan(view.block, pre_at, 0, plain.n, 0)
  rows.scan(plain, pre, 0, plain.n, 0)
  if (plain.is_gated) {
    kernels.magnitudes(view.block)
    select.magnitudes(plain)
  }
  if (plain.has_aux) {
    kernels.scanDead(view.block, pre_at, 0, plain.n, 0, 2)
    select.scanDead(plain, pre, { first: 0, m: plain.n, nnz: 0, k: 2 })
  }
  kernels.transpose(view.block)
  rows.transpose(plain)
}

describe.each(['plain', 'relaxed'] as const)('the %s kernels', (variant) => {
  const run = variant === 'plain' || kernelVariant() === 'relaxed' ? it : it.skip

  describe.each(CASES)('on $name', (sizes) => {
    run('scan, decode and transpose as their twins', () => {
      const { kernels, view, pre_at, out_at, memory, plain, pre } = setUp(variant, sizes)
      const half = Math.floor(sizes.n / 2)
      const nnz = kernels.scan(view.block, pre_at, 0, half, 0)
      const rest_at = pre_at + half * sizes.width * 4
      const all = kernels.scan(view.block, rest_at, half, sizes.n - half, nnz)
      const rest = pre.subarray(half * sizes.width)
      expect(rows.scan(plain, pre.subarray(0, half * sizes.width), 0, half, 0)).toBe(nnz)
      expect(rows.scan(plain, rest, half, sizes.n - half, nnz)).toBe(all)
      expectRows(view, plain, ROWS)

      const out = new Float32Array(sizes.n * plain.d_out)
      kernels.decode(view.block, out_at)
      rows.decode(plain, out)
      expect(view.get('n_active')).toBe(plain.n_active)
      expect(plain.n_active).toBeLessThan(all)
      expectClose([view.get('paid')], [plain.paid], 'paid')
      expectClose(new Float32Array(memory.buffer, out_at, out.length), out, 'out')

      kernels.transpose(view.block)
      rows.transpose(plain)
      expectRows(view, plain, COLUMNS)
    })

    run.each([1, 2, 4, 30])('keep the %i largest of a token as their twins', (k) => {
      const { kernels, view, pre_at, least_at, memory, plain, pre } = setUp(variant, sizes)
      // Ties, of which all are kept.
      for (let i = 0; i < pre.length; i += 3) pre[i] = 0.5
      const half = Math.floor(sizes.n / 2)
      const nnz = kernels.scanTop(view.block, pre_at, 0, half, 0, k)
      const rest_at = pre_at + half * sizes.width * 4
      kernels.scanTop(view.block, rest_at, half, sizes.n - half, nnz, k)
      const first = pre.subarray(0, half * sizes.width)
      expect(select.scanTop(plain, first, { first: 0, m: half, nnz: 0, k })).toBe(nnz)
      const rest = pre.subarray(half * sizes.width)
      select.scanTop(plain, rest, { first: half, m: sizes.n - half, nnz, k })
      expectRows(view, plain, ROWS)

      const least = new Float32Array(memory.buffer, least_at, sizes.n)
      for (let n = 0; n < sizes.n; n++) least[n] = n % 2 === 0 ? 0.5 : 0.6
      kernels.filter(view.block, least_at)
      select.filter(plain, least)
      expectRows(view, plain, ROWS)
      expect(plain.row_start[sizes.n]).toBeGreaterThan(0)
    })

    run('gather and decode auxiliary entries as their twins', () => {
      const out = new Float32Array(sizes.n * Math.ceil(sizes.d_out / 16) * 16)
      for (const kind of ['gates', 'dead latents that learn'] as const) {
        const setup = setUp(variant, sizes, KINDS[kind])
        const { kernels, view, out_at, memory, plain } = setup
        gather(setup)
        if (plain.is_gated) {
          expectRows(view, plain, { start: 'row_start', entries: ['index', 'gate'] })
          expectClose(view.arrays.value, plain.value, 'value')
          expectRows(view, plain, { start: 'col_start', entries: ['token', 'col_gate'] })
        } else {
          expectRows(view, plain, { start: 'aux_row_start', entries: ['aux_index', 'aux_value'] })
          expectRows(view, plain, {
            start: 'aux_col_start',
            entries: ['aux_token', 'aux_col_value'],
          })
          expect(plain.aux_row_start[sizes.n]).toBeGreaterThan(0)
        }
        kernels.decodeAux(view.block, out_at)
        rows.decodeAux(plain, out)
        expectClose(new Float32Array(memory.buffer, out_at, out.length), out, 'out')
        expectClose([view.get('paid')], [plain.paid], 'paid')
      }
    })

    run.each(Object.entries(KINDS))('step %s as their twins', (_, kind) => {
      const setup = setUp(variant, sizes, kind)
      const { kernels, view, plain } = setup
      gather(setup)
      for (let i = 0; i < sizes.width; i++) {
        expect(kernels.gradients(view.block, i)).toBe(update.gradients(plain, i))
        expectClose(view.arrays.g_enc, plain.g_enc, 'g_enc')
        expectClose(view.arrays.g_dec, plain.g_dec, 'g_dec')
        const names = ['g_u', 'g_b_enc', 'g_threshold', 'g_r_mag', 'g_b_mag'] as const
        for (const name of names) {
          if ((name === 'g_r_mag' || name === 'g_b_mag') && !plain.is_gated) continue
          expectClose([view.get(name)], [plain[name]], name)
        }
        expect(view.get('touched')).toBe(plain.touched)
      }
      kernels.update(view.block)
      update.update(plain)
      expect(view.get('n_dead')).toBe(plain.n_dead)
      expect(view.arrays.silent).toEqual(plain.silent)
      for (const name of [
        ...(['W_enc', 'W_dec', 'v_enc', 'v_dec', 'b_enc', 'v_b_enc', 'threshold'] as const),
        ...(['v_threshold', 'low', 'r_mag', 'v_r_mag', 'b_mag', 'v_b_mag', 'g_b_dec'] as const),
      ])
        expectClose(view.arrays[name], plain[name], name)
    })

    run.each([0, 128])('propose and decide as their twins, bytes turned by %i', (flip) => {
      const { kernels, view, pre_at, memory, plain } = setUp(variant, sizes, { flip })
      const { n, d, width } = plain
      // Rows of very unequal size, and thresholds that few reach.
      for (const s of [view.arrays, plain]) {
        for (let at = 0; at < n * d; at++) s.x[at]! *= 1 + Math.floor(at / d) ** 3
        for (let i = 0; i < width; i++) s.low[i] = (i % 7) * Math.sqrt(d / 16)
        s.W_enc.fill(0, d, 2 * d)
      }
      kernels.roundInputs(view.block)
      kernels.roundLatents(view.block)
      propose.roundInputs(plain)
      propose.roundLatents(plain)
      for (const name of ['x_8', 'W_8'] as const) expect(view.arrays[name]).toEqual(plain[name])
      for (const name of ['x_unit', 'x_norm', 'x_error', 'unit', 'cut'] as const)
        expectClose(view.arrays[name], plain[name], name)
      for (const name of ['norm_8', 'error_8'] as const)
        expectClose(view.arrays[name], plain[name], name)

      const [x_8, W_8] = [plain.x_8, plain.W_8].map((a) => new Uint8Array(a.buffer))
      const sums = new Int32Array(memory.buffer, pre_at, n * width)
      for (let at = 0; at < sums.length; at++) {
        const [t, i] = [Math.floor(at / width), at % width]
        sums[at] = 0
        for (let k = 0; k < d; k++) {
          const w = ((W_8![k * width + i]! ^ flip) << 24) >> 24
          sums[at]! += (x_8![t * d + k]! - 128) * w
        }
      }
      const half = Math.floor(n / 2)
      let nnz = 0
      for (const [first, m] of [
        [0, half],
        [half, n - half],
      ] as const) {
        const part = sums.subarray(first * width, (first + m) * width)
        const proposed = kernels.propose(view.block, part.byteOffset, first, m, nnz)
        expect(propose.propose(plain, part, { first, m, nnz })).toBe(proposed)
        expect(view.arrays.index.subarray(0, proposed)).toEqual(plain.index.subarray(0, proposed))
        expect(proposed).toBeLessThan(nnz + m * width)
        nnz = kernels.decide(view.block, first, m)
        expect(propose.decide(plain, first, m)).toBe(nnz)
      }
      expect(view.arrays.row_start).toEqual(plain.row_start)
      expect(view.arrays.index.subarray(0, nnz)).toEqual(plain.index.subarray(0, nnz))
      expectClose(view.arrays.value.subarray(0, nnz), plain.value.subarray(0, nnz), 'value')

      // Nothing was missed: the dense scan finds the same.
      const pre = new Float32Array(n * width)
      for (let at = 0; at < pre.length; at++) {
        const [t, i] = [Math.floor(at / width), at % width]
        let z = plain.b_enc[i]!
        for (let k = 0; k < d; k++) z += plain.x[t * d + k]! * plain.W_enc[i * d + k]!
        pre[at] = z
      }
      const found = plain.index.slice(0, nnz)
      expect(rows.scan(plain, pre, 0, n, 0)).toBe(nnz)
      expect(plain.index.subarray(0, nnz)).toEqual(found)
      expect(nnz).toBeGreaterThan(0)
    })

    run('do the dense passes as their twins', () => {
      const { kernels, view, plain } = setUp(variant, sizes)
      const { d } = plain
      const at = (array: Float32Array) => array.byteOffset
      const { x, W_enc, v_enc, mean_x, g_enc } = view.arrays
      kernels.centre(at(x), 0.7, at(mean_x), sizes.n, d)
      dense.centre(plain.x, 0.7, plain.mean_x)
      expectClose(x, plain.x, 'centred')
      const squares = kernels.moments(at(x), at(g_enc), sizes.n, d)
      expectClose([squares], [dense.moments(plain.x, plain.g_enc)], 'squares')
      expectClose(g_enc, plain.g_enc, 'mean')
      const m = Math.min(x.length, W_enc.length)
      kernels.accumulate(at(W_enc), -1.5, at(x), m)
      dense.accumulate(plain.W_enc.subarray(0, m), -1.5, plain.x.subarray(0, m))
      expectClose(W_enc, plain.W_enc, 'sum')
      kernels.adamArray(view.block, at(W_enc), at(v_enc), at(x), m)
      const [W, v] = [plain.W_enc, plain.v_enc].map((array) => array.subarray(0, m))
      update.adamArray(plain, W!, v!, plain.x.subarray(0, m))
      expectClose(W_enc, plain.W_enc, 'stepped')
    })
  })

  run('say when a batch has more entries than memory was set aside for', () => {
    const { kernels, view, pre_at, plain, pre } = setUp(variant, CASES[1]!)
    const full = plain.capacity - plain.width + 1
    expect(kernels.scan(view.block, pre_at, 0, 1, full)).toBe(-1)
    expect(rows.scan(plain, pre, 0, 1, full)).toBe(-1)
    expect(kernels.scanTop(view.block, pre_at, 0, 1, full, 3)).toBe(-1)
    expect(select.scanTop(plain, pre, { first: 0, m: 1, nnz: full, k: 3 })).toBe(-1)
    expect(kernels.propose(view.block, pre_at, 0, 1, full)).toBe(-1)
    expect(propose.propose(plain, new Int32Array(plain.width), { first: 0, m: 1, nnz: full })).toBe(
      -1,
    )
  })
})
