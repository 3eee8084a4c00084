import { expect, it } from 'vitest'
import { RunProgress } from './progress.ts'

it('counts stages before the present one as done', () => {
  const progress = new RunProgress(() => 0)
  expect(progress.at('capture', 0).progress).toBe(0)
  expect(progress.at('train', 0).progress).toBeCloseTo(0.12)
  expect(progress.at('label', 1).progress).toBeCloseTo(1)
})

it('forecasts from the speed so far', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  now = 1000
  const { progress: done, remaining_ms } = progress.at('train', 0)
  expect(remaining_ms).toBeCloseTo((1000 * (1 - done)) / done, -1)
})

it('says nothing of the remaining time before there is a speed', () => {
  expect(new RunProgress(() => 5).at('capture', 0.01)).not.toHaveProperty('remaining_ms')
})

it('does not take stages found done for speed', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  progress.skip('capture')
  progress.skip('train')
  now = 1000
  const { progress: done, remaining_ms } = progress.at('evaluate', 0.5)
  expect(done).toBeCloseTo(0.71)
  expect(remaining_ms).toBe(Math.round((1000 * (1 - done)) / (done - 0.67)))
})
