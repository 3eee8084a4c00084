import { describe, expect, it } from 'vitest'
import { openRandom } from './random.ts'
import { checkSampling, type SamplingOptions, sampleToken } from './sampling.ts'

const logits = Float32Array.from([0.5, 0.1, 0.25, 0.1, 0.05], Math.log)

/** Shares of each token in 4000 draws. */
function shares(options: SamplingOptions): number[] {
  const random = openRandom(5)
  const counts = Array(logits.length).fill(0) as number[]
  for (let i = 0; i < 4000; i++) counts[sampleToken(logits, options, random).id]!++
  return counts.map((count) => count / 4000)
}

/** Three standard deviations of a share of 4000 draws, at most. */
const NEAR = 0.024

const expectShares = (found: number[], expected: number[]): void => {
  found.forEach((share, i) => {
    expect(Math.abs(share - expected[i]!), `token ${i}`).toBeLessThan(NEAR)
    if (expected[i] === 0) expect(share).toBe(0)
  })
}

describe('sampleToken', () => {
  it('draws each token as often as its probability says', () => {
    expectShares(shares({}), [0.5, 0.1, 0.25, 0.1, 0.05])
  })

  it('squares the odds at temperature 0.5', () => {
    const total = 0.25 + 0.01 + 0.0625 + 0.01 + 0.0025
    expectShares(
      shares({ temperature: 0.5 }),
      [0.25, 0.01, 0.0625, 0.01, 0.0025].map((w) => w / total),
    )
  })

  it('keeps the k most likely, the lower id of equals', () => {
    expectShares(shares({ top_k: 3 }), [0.5 / 0.85, 0.1 / 0.85, 0.25 / 0.85, 0, 0])
  })

  it('keeps the fewest that reach p, and always one', () => {
    expectShares(shares({ top_p: 0.7 }), [2 / 3, 0, 1 / 3, 0, 0])
    expectShares(shares({ top_p: 0 }), [1, 0, 0, 0, 0])
    expectShares(shares({ top_k: 2, top_p: 0.6 }), [1, 0, 0, 0, 0])
  })

  it('takes the most likely at temperature 0 without a random number', () => {
    const none = () => {
      throw new Error('drew a number')
    }
    expect(sampleToken(logits, { temperature: 0 }, none).id).toBe(0)
  })

  it('gives the log-probability under the model itself, whatever was cut off', () => {
    const { logprob } = sampleToken(logits, { temperature: 0.1, top_k: 1 }, openRandom(1))
    expect(logprob).toBeCloseTo(Math.log(0.5), 6)
  })

  it('refuses options outside their range', () => {
    expect(() => checkSampling({ temperature: -1 })).toThrow(
      'temperature is -1, expected 0 or more',
    )
    expect(() => checkSampling({ top_k: 1.5 })).toThrow('top_k is 1.5, expected a whole number')
    expect(() => checkSampling({ top_p: 1.1 })).toThrow('top_p is 1.1, expected 0 to 1')
    expect(() => checkSampling({ temperature: Number.NaN })).toThrow('temperature is NaN')
  })
})

describe('openRandom', () => {
  it('gives the published sequence of sfc32', () => {
    // PractRand's state after seeding (a 0, b seed, c stream, counter 1, 15 rounds), computed with 64-bit integers.
    let [a, b, c, counter] = [0n, 42n, 7n, 1n]
    const word = (x: bigint): bigint => BigInt.asUintN(32, x)
    const next = (): bigint => {
      const out = word(a + b + counter)
      counter = word(counter + 1n)
      a = b ^ (b >> 9n)
      b = word(c + (c << 3n))
      c = word(word((c << 21n) | (c >> 11n)) + out)
      return out
    }
    for (let i = 0; i < 15; i++) next()
    const random = openRandom(42, 7)
    for (let i = 0; i < 1000; i++) expect(random()).toBe(Number(next()) / 2 ** 32)
  })

  it('separates streams of one seed', () => {
    expect(openRandom(1, 0)()).not.toBe(openRandom(1, 1)())
    expect(openRandom(1)()).toBe(openRandom(1, 0)())
  })
})
