/** The team as its callers see it: sizes that fit nothing, any number of threads, failures, and the end. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { openRandom } from '../random.ts'
import { Banks } from './banks.ts'
import { WEIGHT_DTYPES } from './jobs.ts'
import { openTeam, type PackedMatrix, type Team } from './team.ts'
import * as twins from './twins.ts'

const MEMORY = 2 ** 32
const teams: Team[] = []
afterAll(() => Promise.all(teams.map((team) => team.close())))

async function open(threads: number): Promise<Team> {
  const team = await openTeam({ threads, memory_bytes: MEMORY })
  teams.push(team)
  return team
}

/** Normally distributed, standard deviation 1. */
function normal(n: number, seed: number): Float32Array {
  const random = openRandom(seed)
  return Float32Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
}

/** Root of the mean square of a - b, relative to that of b. */
function relativeError(a: Float32Array, b: ArrayLike<number>): number {
  let [error, total] = [0, 0]
  for (const [i, value] of a.entries()) {
    error += (value - b[i]!) ** 2
    total += b[i]! ** 2
  }
  return Math.sqrt(error / total)
}

const ATTENTION = { m: 3, n_heads: 6, n_kv_heads: 3, d_head: 20, n_ctx: 19, length: 17 }

/** Every kind of call once, on sizes that are multiples of nothing; all that comes out. */
function everything(team: Team): Float32Array[] {
  const [d_in, m] = [203, 5]
  const x = normal(m * d_in, 1)
  const outputs: Float32Array[] = []
  const weights = WEIGHT_DTYPES.map((dtype, i) => {
    const d_out = 1001 + i
    const weight = team.openMatrix(dtype, d_out, d_in)
    team.pack(weight, 0, normal(d_out * d_in, 2 + i))
    const y = new Float32Array(m * d_out)
    outputs.push(y)
    return { weight, y }
  })
  team.products(x, m, weights)
  for (const { weight } of weights) {
    const out = new Float32Array(700 * d_in)
    team.widen(weight, 299, 700, out)
    outputs.push(out)
  }
  const { m: tokens, n_heads, n_kv_heads, n_ctx, d_head } = ATTENTION
  const n = n_kv_heads * n_ctx * d_head
  const cache = team.openRegion(2 * n + 8)
  cache.data.set(normal(2 * n + 8, 20))
  for (const [window, softcap] of [
    [-1, 0],
    [4, 2],
    [100, 50],
  ] as const) {
    // biome-ignore format: pairs
    const z = new Float32Array(tokens * n_heads * d_head)
    const q = normal(z.length, 21)
    team.attend({ ...ATTENTION, q, z, cache, k_at: 4, v_at: n + 8, scale: 0.3, softcap, window })
    const expected = twins.attend({
      ...{ ...ATTENTION, q, scale: 0.3, softcap, window },
      ...{ k: cache.data.slice(4, n + 4), v: cache.data.slice(n + 8) },
    })
    // tanh is off by up to 2e-7, which a softcap of 50 takes into a score.
    expect(relativeError(z, expected)).toBeLessThan(softcap === 50 ? 4e-6 : 1e-6)
    outputs.push(z)
  }
  for (const { weight } of weights) team.closeMatrix(weight)
  team.closeRegion(cache)
  return outputs
}

describe('a team', () => {
  it('gives the same bytes with 1, 2 and 3 threads', async () => {
    const [one, two, three] = await Promise.all([open(1), open(2), open(3)])
    const expected = everything(one)
    for (let round = 0; round < 3; round++) {
      expect(everything(two)).toEqual(expected)
      expect(everything(three)).toEqual(expected)
    }
  })

  // The largest of a block of 32 is about 2.2 deviations. Rounded to 8 bits a weight is wrong by 2.2 / 127 / sqrt(12) = 0.5 %
  // of a deviation, and so is an input; to 4 bits by 2.2 / 8 / sqrt(12) = 8 %, and more where -8 has no positive counterpart.
  it.each([
    ['q8', 0.0075],
    ['q4', 0.095],
    ['bf16', 0.002],
    ['f16', 0.00025],
    ['f32', 1e-6],
  ] as const)('multiplies in %s within a relative error of %f', async (dtype, most) => {
    const team = await open(2)
    const [d_out, d_in, m] = [131, 2304, 3]
    const [W, x] = [normal(d_out * d_in, 5), normal(m * d_in, 6)]
    const weight = team.openMatrix(dtype, d_out, d_in)
    team.pack(weight, 0, W.subarray(0, 70 * d_in))
    team.pack(weight, 70, W.subarray(70 * d_in))
    const y = new Float32Array(m * d_out)
    team.product(weight, x, m, y)
    const error = relativeError(y, twins.product(W, x, d_in))
    expect(error).toBeLessThan(most)
    expect(error).toBeGreaterThan(most / 20)
  })

  it('keeps bf16 and f16 weights as they are', async () => {
    const team = await open(2)
    const [d_out, d_in] = [9, 77]
    const W = normal(d_out * d_in, 8).map((w, i) => w * 10 ** -(i % 7))
    for (const [dtype, round] of [
      ['bf16', twins.toBf16],
      ['f16', Math.f16round],
    ] as const) {
      // biome-ignore format: pairs
      const weight = team.openMatrix(dtype, d_out, d_in)
      team.pack(weight, 0, W.map(round))
      const back = new Float32Array(d_out * d_in)
      team.widen(weight, 0, d_out, back)
      expect(back).toEqual(W.map(round))
    }
  })

  it('caps a product where that is asked for', async () => {
    const team = await open(2)
    const weight = team.openMatrix('f32', 21, 9)
    const [W, x] = [normal(21 * 9, 5), normal(2 * 9, 6)]
    team.pack(weight, 0, W)
    const y = new Float32Array(2 * 21)
    team.products(x, 2, [{ weight, y, softcap: 3 }])
    const expected = twins.product(W, x, 9).map((value) => 3 * Math.tanh(value / 3))
    expect(relativeError(y, expected)).toBeLessThan(1e-6)
  })

  it('applies activations in place', async () => {
    const team = await open(1)
    const [x, up] = [normal(37, 1), normal(37, 2)]
    const expected = x.map((v, i) => twins.ACTIVATION_TWINS.silu(v) * up[i]!)
    team.activate('silu', x, up)
    for (const [i, value] of x.entries()) expect(value).toBeCloseTo(expected[i]!, 6)
  })

  it('says which sizes do not fit', async () => {
    const team = await open(1)
    const weight = team.openMatrix('q8', 5, 7)
    const [x, y] = [new Float32Array(14), new Float32Array(10)]
    expect(() => team.product(weight, x, 3, y)).toThrow(
      'model: product of x with 14 numbers and W [5, 7] into 10, expected 3 x 7 and 3 x 5.',
    )
    expect(() => team.product(weight, x, 9, y)).toThrow('expected 1 to 16 of 1 to 8')
    expect(() => team.pack(weight, 4, x)).toThrow('model: pack rows 4 to 6 of W [5, 7].')
    expect(() => team.pack(weight, 0, x.subarray(1))).toThrow(RangeError)
    const cache = team.openRegion(100)
    const attend = { ...ATTENTION, cache, k_at: 0, v_at: 0, scale: 1, softcap: 0, window: -1 }
    expect(() => team.attend({ ...attend, q: x, z: y })).toThrow('expected 360, 360 and 1140')
    expect(() => team.attend({ ...attend, d_head: 6, q: x, z: y })).toThrow('a multiple of 4')
  })

  it('throws what a kernel throws on any thread, and works on', async () => {
    const team = await open(3)
    const weight = team.openMatrix('f32', 4000, 64)
    const rows = normal(4000 * 64, 3)
    team.pack(weight, 0, rows)
    const outside: PackedMatrix = { ...weight, address: 2 ** 32 - 2 ** 17 }
    const [x, y] = [normal(64, 4), new Float32Array(4000)]
    expect(() => team.product(outside, x, 1, y)).toThrow(/a kernel failed: .*out of bounds/)
    team.product(weight, x, 1, y)
    expect(relativeError(y, twins.product(rows, x, 64))).toBeLessThan(1e-6)
  })

  it('takes no more calls after it is closed', async () => {
    const team = await openTeam({ threads: 3, memory_bytes: MEMORY })
    const weight = team.openMatrix('q4', 3, 3)
    await team.close()
    expect(() => team.pack(weight, 0, new Float32Array(9))).toThrow('closed')
  })

  it('does not keep the process alive where it was forgotten', () => {
    const script = `
      import { openTeam } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const team = await openTeam({ threads: 3, memory_bytes: 2 ** 31 })
      team.pack(team.openMatrix('q8', 64, 64), 0, new Float32Array(4096))
      console.log('forgotten')`
    const out = execFileSync(process.execPath, ['--eval', script], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(out).toBe('forgotten\n')
  })
})

describe('banks', () => {
  it('hand out what was given back, in one piece again', () => {
    const banks = new Banks(2 ** 32)
    const [a, b, c] = [banks.allocate(1000), banks.allocate(2000), banks.allocate(70_000)]
    banks.release(a)
    banks.release(c)
    banks.release(b)
    expect(banks.allocate(80_000)).toMatchObject({ bank: 0, address: a.address })
  })

  it('keep some of every memory for work, however full it is', () => {
    const banks = new Banks(1)
    while (true) {
      try {
        banks.allocate(2 ** 28)
      } catch {
        break
      }
    }
    const work = banks.allocateWork(0, 2 ** 25)
    expect(() => banks.allocate(2 ** 28)).toThrow('no room')
    banks.release(work)
    expect(banks.allocateWork(0, 2 ** 25)).toEqual(work)
  })

  it('go on in the next memory where one is full, and say when all are', () => {
    const banks = new Banks(2 ** 32 - 2 ** 28)
    const extents = [3, 3, 0.5].map((gib) => banks.allocate(gib * 2 ** 30))
    expect(extents.map(({ bank }) => bank)).toEqual([0, 1, 0])
    expect(() => banks.allocate(2 ** 30)).toThrow('model: no room for 1.00 GiB among 2 memories')
  })

  it('take memory only as it is written', () => {
    const resident = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
    const before = resident()
    const banks = new Banks(2 ** 33)
    const { bank, address } = banks.allocate(2 ** 30)
    banks.floats(bank, address, 2 ** 22).fill(1)
    expect(resident() - before).toBeLessThan(2 ** 26)
  })
})
