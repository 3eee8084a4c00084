import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeModel } from '../../test/fakeModel.ts'
import { type HookName, openRandom } from '../model/index.ts'
import type { Sae } from '../sae/index.ts'
import { logitEffects, N_LOGITS, whyNoLogits } from './logits.ts'
import { areComparable, findNeighbours, N_NEAR, N_NEIGHBOURS } from './neighbours.ts'
import { extremeProducts, type Multiply, multiplyPlainly, openProduct } from './product.ts'

const random = openRandom(3)
const noise = (n: number) => Float32Array.from({ length: n }, () => 2 * random() - 1)

let fast: { multiply: Multiply; close(): Promise<void> }
beforeAll(async () => {
  fast = await openProduct(1)
})
afterAll(() => fast.close())

function sae(
  hook_name: HookName,
  d_in: number,
  d_sae: number,
  W_dec: Float32Array = noise(d_in * d_sae),
): Sae {
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: new Float32Array(d_in * d_sae),
    b_enc: new Float32Array(d_sae),
    W_dec,
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae),
    metadata: {},
  }
}

/** A transcoder to `hook_name_out`, whose decoder is `d_out` wide. */
function transcoder(hook_name_out: HookName, d_in: number, d_sae: number, d_out: number): Sae {
  return {
    ...sae('blocks.1.ln2.hook_normalized', d_in, d_sae, noise(d_sae * d_out)),
    transcoder: { hook_name_out, d_out },
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, x, k) => sum + x * b[k]!, 0)
const rowOf = (A: Float32Array, i: number, d: number) => A.subarray(i * d, (i + 1) * d)
const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))

describe('the product', () => {
  it('equals its slow twin', async () => {
    const [A, B] = [noise(3 * 5), noise(7 * 5)]
    const [quick, plain] = [await fast.multiply(A, B, 5), await multiplyPlainly(A, B, 5)]
    expect(plain).toHaveLength(21)
    for (const [i, value] of plain.entries()) expect(quick[i]).toBeCloseTo(value, 5)
    expect(plain[2 * 7 + 4]).toBeCloseTo(dot(rowOf(A, 2, 5), rowOf(B, 4, 5)), 6)
  })
})

describe('extremeProducts', () => {
  it('finds the extremes of every row over several blocks', async () => {
    const [m, n, d] = [1031, 4099, 3]
    const [A, B] = [noise(m * d), noise(n * d)]
    const options = { d, n_largest: 4, n_smallest: 3 }
    const { largest, smallest } = await extremeProducts(multiplyPlainly, A, B, options)
    for (const i of [0, 17, 1023, 1024, m - 1]) {
      const row = await multiplyPlainly(rowOf(A, i, d), B, d)
      const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b)
      expect([...largest.index.subarray(i * 4, i * 4 + 4)]).toEqual(order.slice(0, 4))
      expect([...smallest.index.subarray(i * 3, i * 3 + 3)]).toEqual(order.toReversed().slice(0, 3))
      expect(largest.value[i * 4]).toBe(row[order[0]!])
    }
  })

  it('leaves out the diagonal and fills up with -1 where there are too few', async () => {
    const A = Float32Array.of(1, 2, 3)
    const options = { d: 1, n_largest: 3, n_smallest: 0, skip_diagonal: true }
    const { largest } = await extremeProducts(multiplyPlainly, A, A, options)
    expect([...largest.index]).toEqual([2, 1, -1, 2, 0, -1, 1, 0, -1])
  })
})

describe('logit effects', () => {
  const d = 5
  const U = noise(128 * d)
  const model = fakeModel(() => 0, { 'blocks.0.hook_resid_post': d }, U)

  it('are the decoder direction times the unembedding, less the mean over the vocabulary', async () => {
    const one = sae('blocks.0.hook_resid_post', d, 7)
    const columns = await logitEffects(model, one, fast.multiply)
    for (let i = 0; i < 7; i++) {
      const raw = Array.from({ length: 128 }, (_, v) => dot(rowOf(one.W_dec, i, d), rowOf(U, v, d)))
      const mean = raw.reduce((sum, x) => sum + x, 0) / 128
      const order = [...raw.keys()].sort((a, b) => raw[b]! - raw[a]!)
      const at = i * N_LOGITS
      expect([...columns.top_logit_id.subarray(at, at + N_LOGITS)]).toEqual(order.slice(0, 10))
      expect([...columns.bottom_logit_id.subarray(at, at + N_LOGITS)]).toEqual(
        order.toReversed().slice(0, 10),
      )
      expect(columns.top_logit_effect[at]).toBeCloseTo(raw[order[0]!]! - mean, 5)
      expect(columns.bottom_logit_effect[at]).toBeCloseTo(raw[order[127]!]! - mean, 5)
    }
  })

  it('of a transcoder are those of the site it writes, whatever the width it reads', async () => {
    const from_z = sae('blocks.0.attn.hook_z', 3, 7, noise(7 * d))
    const out = { hook_name_out: 'blocks.0.hook_mlp_out', d_out: d } as const
    const columns = await logitEffects(model, { ...from_z, transcoder: out }, fast.multiply)
    const written = sae('blocks.0.hook_mlp_out', d, 7, from_z.W_dec)
    expect(columns).toEqual(await logitEffects(model, written, fast.multiply))
    expect(columns.top_logit_id).not.toContain(-1)
    expect(whyNoLogits(transcoder('blocks.1.attn.hook_z', d, 7, d), d)).toMatch(
      /hook_z lies before/,
    )
    expect(whyNoLogits(transcoder('blocks.1.hook_mlp_out', d, 7, 4), d)).toMatch(/is 4 wide/)
  })

  it('are absent for attn.hook_z even where it is as wide as the residual stream', async () => {
    const columns = await logitEffects(model, sae('blocks.0.attn.hook_z', d, 7), fast.multiply)
    expect(new Set(columns.top_logit_id)).toEqual(new Set([-1]))
  })
})

describe('neighbours', () => {
  const [d, d_sae] = [6, 13]
  const hooks = [
    'blocks.0.hook_resid_post',
    'blocks.1.hook_mlp_out',
    'blocks.1.attn.hook_z',
  ] as const

  it('are the nearest by cosine, first within the SAE, then in comparable sites', async () => {
    const saes = hooks.map((hook) => sae(hook, d, d_sae))
    const all = await findNeighbours(saes, fast.multiply)
    for (const [a, columns] of all.entries()) {
      for (let i = 0; i < d_sae; i++) {
        const near = (b: number) =>
          Array.from({ length: d_sae }, (_, j) => ({
            site: b,
            index: j,
            cosine: cosine(rowOf(saes[a]!.W_dec, i, d), rowOf(saes[b]!.W_dec, j, d)),
          })).filter(({ index }) => b !== a || index !== i)
        const best = (list: ReturnType<typeof near>) =>
          list.sort((x, y) => y.cosine - x.cosine).slice(0, N_NEAR)
        const other = a === 2 ? [] : near(1 - a)
        const expected = [...best(near(a)), ...best(other)]
        const at = i * N_NEIGHBOURS
        for (let k = 0; k < N_NEIGHBOURS; k++) {
          expect(columns.neighbour_site[at + k]).toBe(expected[k]?.site ?? -1)
          expect(columns.neighbour_index[at + k]).toBe(expected[k]?.index ?? -1)
          expect(columns.neighbour_cosine[at + k]).toBeCloseTo(expected[k]?.cosine ?? 0, 5)
        }
      }
    }
  })

  it('of a transcoder are those of the directions it writes', async () => {
    const one = transcoder('blocks.1.hook_mlp_out', 3, d_sae, d)
    const written = sae('blocks.1.hook_mlp_out', d, d_sae, one.W_dec)
    const post = sae('blocks.0.hook_resid_post', d, d_sae)
    const z = transcoder('blocks.0.attn.hook_z', d, d_sae, d)
    const [found] = await findNeighbours([one, post, z], multiplyPlainly)
    const [expected] = await findNeighbours([written, post, z], multiplyPlainly)
    expect(found).toEqual(expected)
    expect(new Set(found!.neighbour_site)).toEqual(new Set([0, 1]))
  })

  it('do not depend on the length of directions, and a direction of zero has none', async () => {
    const W_dec = Float32Array.of(1, 0, 0, 9, 0.1, 0.1, 0, 0)
    const [columns] = await findNeighbours([sae(hooks[0], 2, 4, W_dec)], multiplyPlainly)
    expect(columns!.neighbour_index[0]).toBe(2)
    expect(columns!.neighbour_cosine[0]).toBeCloseTo(Math.SQRT1_2, 6)
    expect([...columns!.neighbour_cosine.subarray(3 * N_NEIGHBOURS, 3 * N_NEIGHBOURS + 3)]).toEqual(
      [0, 0, 0],
    )
  })

  it('pair SAEs of one width and rank across sites', () => {
    const wide = 2 * d_sae
    const saes = [
      sae(hooks[0], d, d_sae),
      sae(hooks[0], d, d_sae),
      sae(hooks[0], d, wide),
      sae(hooks[1], d, d_sae),
      sae(hooks[1], d, d_sae),
      sae(hooks[1], d, wide),
    ]
    const pairs = saes.map((_, a) => [...saes.keys()].filter((b) => areComparable(saes, a, b)))
    expect(pairs).toEqual([[3], [4], [5], [0], [1], [2]])
  })
})
