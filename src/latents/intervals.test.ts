import { expect, it } from 'vitest'
import { histogramOf, makeHistograms, N_BINS } from './bins.ts'
import { intervalsOf } from './intervals.ts'

it('intervals share out a latent’s activations, each to the one that holds it', () => {
  const values = [0.1, 0.7, 1.19, 1.2, 2.4, 2.5]
  const histograms = makeHistograms(1)
  for (const value of values) histograms.add(0, value)
  const { counts } = histogramOf(histograms.counts.subarray(0, N_BINS), 2.5)
  // Bins of 0.2 up to 4; the maximum lies in the 13th, so five intervals of 13 bins have 3, 3, 2, 3 and 2 from below.
  const found = intervalsOf(2.5, 5, counts)
  expect(found.map(({ interval }) => interval)).toEqual([1, 2, 3, 4, 5])
  expect(found.at(-1)!.from).toBe(0)
  for (const [i, { from, to, n_active }] of found.entries()) {
    expect(to).toBe(i === 0 ? 13 * 0.2 : found[i - 1]!.from)
    expect(n_active).toBe(values.filter((value) => value >= from && value < to).length)
  }
})

it('a latent that never fired has none, and borders between histogram bins have no counts', () => {
  expect(intervalsOf(0, 5, [])).toEqual([])
  expect(intervalsOf(2.5, 3, [])[0]).not.toHaveProperty('n_active')
})
