import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { resolveRecipe } from './config.ts'
import type { RunPlan } from './control.ts'
import { Meter } from './meter.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const recipe = resolveRecipe(
  { point_every_steps: 2 },
  { l0: 4, d_in: 5, d_sae: 7, n_steps: 10, n_tokens: 300 },
)
const plan = {
  batch_size: 30,
  saes: [{ spec: { hook: 'hook_embed', d_sae: 7, l0: 2 }, recipe }],
} as unknown as RunPlan
const output = { mse: 1, variance: 2, aux: 0, l0: 3, mean_act: 1, dead: 0 }

it('leaves a pause out of speed and of the time that is left', () => {
  const meter = new Meter(plan, 10, 0)
  const step = (n: number) =>
    meter.add(n, [output] as never, [{ lambda: 0.1 }] as never, {} as never)
  vi.advanceTimersByTime(500)
  step(1)
  vi.advanceTimersByTime(60_000)
  meter.leaveOut(60_000)
  vi.advanceTimersByTime(500)
  const progress = step(2)
  // Two steps of 30 tokens in one second of work; eight steps at half a second each are left.
  expect(progress?.points[0]?.tokens_per_s).toBe(60)
  expect(progress?.remaining_ms).toBe(4000)
})
