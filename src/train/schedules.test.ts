import { describe, expect, it } from 'vitest'
import { resolveRecipe } from './config.ts'
import { followL0, followsL0, lambdaAt, lrFactor, prices, sparsityLoss } from './schedules.ts'

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
      resolveRecipe({}, { d_in: 2304, d_sae: 16384, l0: 70, n_steps, n_tokens: n_steps * 4096 })
    expect(run(1e6).lr).toBe(7e-5)
    expect(run(1e6).bandwidth).toBe(0.001)
    expect(run(500).lr).toBeCloseTo(0.002, 12)
    expect(run(2000).lr).toBeCloseTo(0.001, 12)
    expect(run(2000).shards).toBe(8)
  })

  it('is lower where many activations are paid for and nothing holds them', () => {
    const lr = (architecture: 'jumprelu' | 'relu' | 'gated', l0: number) =>
      resolveRecipe({ architecture }, { d_in: 256, d_sae: 2048, l0, n_steps: 500, n_tokens: 5e5 })
        .lr
    expect(lr('jumprelu', 128)).toBe(0.006)
    expect([lr('relu', 32), lr('gated', 8)]).toEqual([0.006, 0.006])
    expect([lr('relu', 128), lr('gated', 128)]).toEqual([0.003, 0.003])
  })
})

describe('the sparsity loss', () => {
  it('warms up linearly', () => {
    const recipe = { lambda: 2, lambda_warmup_steps: 3 }
    expect([0, 1, 2, 3, 4].map((step) => lambdaAt(step, recipe))).toEqual([0.5, 1, 1.5, 2, 2])
  })

  const target = { architecture: 'jumprelu', sparsity: 'target' } as const
  const at = (l0: number) => ({ l0, l0_target: 32, lambda: 0.5, mean_act: 7 })

  it('is quadratic about the target, with the linear penalty at twice the target', () => {
    expect(sparsityLoss(target, at(48))).toBeCloseTo((0.5 / 64) * 256, 12)
    expect(prices(target, at(64))).toEqual({ sparsity_slope: 0.5, activation_price: 0 })
    expect(prices(target, at(32)).sparsity_slope).toBe(0)
    const [l0, step] = [21, 1e-4]
    const difference = sparsityLoss(target, at(l0 + step)) - sparsityLoss(target, at(l0 - step))
    expect(prices(target, at(l0)).sparsity_slope).toBeCloseTo(difference / (2 * step), 8)
  })

  it('is linear in L0, or in the activations, where lambda is fixed, and none where latents are counted', () => {
    const fixed = { architecture: 'jumprelu', sparsity: 'fixed' } as const
    expect(sparsityLoss(fixed, at(48))).toBe(24)
    expect(prices(fixed, at(48))).toEqual({ sparsity_slope: 0.5, activation_price: 0 })
    const relu = { architecture: 'relu', sparsity: 'fixed' } as const
    expect(sparsityLoss(relu, at(48))).toBe(3.5)
    expect(prices(relu, at(48))).toEqual({ sparsity_slope: 0, activation_price: 0.5 })
    const topk = { architecture: 'topk', sparsity: 'target' } as const
    expect(sparsityLoss(topk, at(48))).toBe(0)
    expect(prices(topk, at(48))).toEqual({ sparsity_slope: 0, activation_price: 0 })
  })

  it('follows L0 where activations are paid for and it has a target', () => {
    expect(followsL0({ architecture: 'gated', sparsity: 'target' })).toBe(true)
    expect(followsL0({ architecture: 'gated', sparsity: 'fixed' })).toBe(false)
    expect(followsL0(target)).toBe(false)
    const start = { lambda: 0.3, off: 0 }
    expect(followL0(start, 32, 32)).toEqual(start)
    const high = followL0(start, 64, 32)
    expect(high.off).toBeCloseTo(Math.LN2, 12)
    expect(high.lambda).toBeCloseTo(0.3 * 2 ** 2.02, 12)
    // It stays too high: lambda goes on rising, slowly. Back on target it keeps what it has gathered.
    const still = followL0(high, 64, 32)
    expect(still.lambda).toBeCloseTo(high.lambda * 2 ** 0.02, 12)
    expect(followL0(still, 32, 32).lambda).toBeCloseTo(0.3 * 2 ** 0.04, 12)
    expect(followL0(start, 0, 32)).toEqual(followL0(start, 8, 32))
  })
})
