import { expect, it } from 'vitest'
import { RunProgress } from './progress.ts'

it('counts stages before the present one as done', () => {
  const progress = new RunProgress(() => 0)
  expect(progress.at('capture', 0).progress).toBe(0)
  expect(progress.at('train', 0).progress).toBeCloseTo(0.21)
  expect(progress.at('label', 1).progress).toBeCloseTo(1)
})

it('forecasts from the speed so far', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  now = 10_000
  const { progress: done, remaining_ms } = progress.at('train', 0)
  expect(remaining_ms).toBeCloseTo((10_000 * (1 - done)) / done, -1)
})

it('says nothing of the remaining time before there is a speed: 5 % of the work and 5 seconds', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  now = 60_000
  expect(progress.at('capture', 0.2)).not.toHaveProperty('remaining_ms')
  expect(progress.at('capture', 0.3)).toHaveProperty('remaining_ms')
  const quick = new RunProgress(() => now)
  now += 4900
  expect(quick.at('train', 0.5)).not.toHaveProperty('remaining_ms')
  now += 100
  expect(quick.at('train', 0.5)).toHaveProperty('remaining_ms')
})

it('does not take the time before the first progress for work', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  now = 8000 // the model opened, the text read
  progress.at('capture', 0)
  now = 18_000
  const { progress: done, remaining_ms } = progress.at('capture', 0.5)
  expect(remaining_ms).toBe(Math.round((10_000 * (1 - done)) / done))
})

it('does not take stages found done for speed', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  progress.skip('capture')
  progress.skip('train')
  now = 1000
  progress.at('evaluate', 0)
  now = 11_000
  const { progress: done, remaining_ms } = progress.at('index', 0)
  expect(done).toBeCloseTo(0.76)
  expect(remaining_ms).toBe(Math.round((10_000 * (1 - done)) / (done - 0.69)))
})

it('forecasts the demo within a fifth from a tenth of it on', () => {
  let now = 0
  const progress = new RunProgress(() => now)
  const stages = { capture: 45, train: 100, evaluate: 15, index: 38, label: 12 } as const
  const whole_s = Object.values(stages).reduce((sum, seconds) => sum + seconds, 0)
  let at_s = 0
  for (const [stage, seconds] of Object.entries(stages)) {
    for (let s = 0; s < seconds; s++, at_s++) {
      now = (8 + at_s) * 1000
      const { remaining_ms } = progress.at(stage as keyof typeof stages, s / seconds)
      if (at_s < whole_s / 10) continue
      expect(Math.abs(remaining_ms! / 1000 - (whole_s - at_s))).toBeLessThan(whole_s / 5)
    }
  }
})
