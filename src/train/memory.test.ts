import { expect, it } from 'vitest'
import type { HookName } from '../model/index.ts'
import { trainingMemory } from './memory.ts'

const source = { hooks: ['hook_embed', 'ln_final.hook_normalized'] as HookName[], width: () => 32 }
const run = { source, batch_size: 64, n_tokens: 64_000, threads: 2 }
const sae = { hook: 'hook_embed', d_sae: 100, l0: 4 } as const

it('counts four rows and five numbers a latent, and what an architecture holds besides', () => {
  const state = (recipe: object, spec: object = {}) =>
    trainingMemory({ ...run, saes: [{ ...sae, ...spec }], recipe }).state_bytes
  expect(state({})).toBe(100 * (4 * 32 + 5) * 4)
  expect(state({ architecture: 'gated' })).toBe(100 * (4 * 32 + 9) * 4)
  const out = { hook_out: 'ln_final.hook_normalized' }
  expect(state({ skip: true }, out)).toBe(100 * (4 * 32 + 5) * 4 + 2 * 32 * 32 * 4)
})

it('grows by a batch with every SAE, and says no more than all that is laid out', () => {
  const total = (n_saes: number, batch_size: number) =>
    trainingMemory({
      ...run,
      batch_size,
      saes: Array.from({ length: n_saes }, (_, i) => ({ ...sae, l0: 4 + i })),
    }).total_bytes
  expect(total(2, 64)).toBeGreaterThan(total(1, 64))
  // Twice the batch: at least two more inputs, and x, residual and partial in each of two threads.
  expect(total(1, 128) - total(1, 64)).toBeGreaterThan(8 * 64 * 32 * 4)
})

it('refuses what cannot be trained', () => {
  expect(() => trainingMemory({ ...run, saes: [] })).toThrow('no SAE')
})
