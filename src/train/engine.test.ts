/** What the engine does when a thread fails; its steps are held to the oracle in `contract.test.ts`. */
import { expect, it } from 'vitest'
import { syntheticSource } from '../synthetic/index.ts'
import { Engine } from './engine.ts'
import { planRun } from './plan.ts'

const HOOK = 'blocks.0.hook_resid_post'

it('passes on what fails in a worker thread', async () => {
  const source = syntheticSource({ hooks: [HOOK], d_in: 35, n_features: 50, l0: 4, seed: 5 })
  const plan = planRun(
    {
      ...{ source, out: '', batch_size: 20, n_tokens: 2000, seed: 9, threads: 2 },
      saes: [{ hook: HOOK, d_sae: 61, l0: 3 }],
    },
    100,
  )
  const { acts } = source.batch({ batch_size: 20, seed: 1, index: 0 })
  const engine = await Engine.start(plan, [acts.get(HOOK)!])
  const state = await engine.snapshot().finally(() => engine.close())
  const wrong = state.shards.map((shard) => ({
    ...shard,
    state: { ...shard.state, b_enc: new Float32Array(1000) },
  }))
  await expect(Engine.resume(plan, { ...state, shards: wrong }, 0)).rejects.toThrow(
    'offset is out of bounds',
  )
})
