import { describe, expect, it } from 'vitest'
import { resolveRecipe } from './config.ts'
import { lambdaAt, lrFactor, sparsityLoss, sparsitySlope } from './schedules.ts'

describe('the learning rate', () => {
  const recipe = { lr_warmup_steps: 10, lr_decay: 0.2 }

  it('rises by a cosine from a tenth, holds, and falls to nothing', () => {
    expect(lrFactor(0, 100, recipe)).toBeCloseTo(0.1, 12)
    expect(lrFactor(5, 100, recipe)).toBeCloseTo(0.55, 12)
    expect(lrFactor(10, 100, recipe)).toBe(1)
    expect(lrFactor(80, 100, recipe)).toBe(1)
    expect(lrFactor(90, 100, recipe)).toBeCloseTo(0.5, 12)
    expect(lrFactor(99, 100, recipe)).toBeCloseTo(0.05, 12)
  })

  it('needs neither warm-up nor decay', () => {
    const flat = { lr_warmup_steps: 0, lr_decay: 0 }
    expect([0, 50, 99].map((step) => lrFactor(step, 100, flat))).toEqual([1, 1, 1])
  })

  it("falls to Gemma Scope's where the run is as long", () => {
    const run = (n_steps: number) =>
      resolveRecipe({}, { d_in: 2304, d_sae: 16384, n_steps, n_tokens: n_steps * 4096 })
    expect(run(1e6).lr).toBe(7e-5)
    expect(run(1e6).bandwidth).toBe(0.001)
    expect(run(500).lr).toBeCloseTo(0.002, 12)
    expect(run(2000).lr).toBeCloseTo(0.001, 12)
    expect(run(2000).shards).toBe(8)
  })
})

describe('the sparsity loss', () => {
  it('warms up linearly', () => {
    const recipe = { lambda: 2, lambda_warmup_steps: 3 }
    expect([0, 1, 2, 3, 4].map((step) => lambdaAt(step, recipe))).toEqual([0.5, 1, 1.5, 2, 2])
  })

  it('is quadratic about the target, with the linear penalty at twice the target', () => {
    expect(sparsityLoss(48, 32, 0.5)).toBeCloseTo((0.5 / 64) * 256, 12)
    expect(sparsitySlope(64, 32, 0.5)).toBe(0.5)
    expect(sparsitySlope(32, 32, 0.5)).toBe(0)
    const [l0, step] = [21, 1e-4]
    const difference = sparsityLoss(l0 + step, 32, 0.5) - sparsityLoss(l0 - step, 32, 0.5)
    expect(sparsitySlope(l0, 32, 0.5)).toBeCloseTo(difference / (2 * step), 8)
  })
})
