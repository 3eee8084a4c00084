/** What the engine does when a thread fails; its steps are held to the oracle in `contract.test.ts`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { syntheticSource } from '../synthetic/index.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
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
  const out = await mkdtemp(join(tmpdir(), 'hooke-engine-'))
  try {
    // A checkpoint of narrower shards.
    const config = { by: 'test' }
    const narrow = {
      ...engine.state(),
      shard: async () => ({ ...(await engine.state().shard(0, 0)), b_enc: new Float32Array(1000) }),
    }
    const ranges = plan.saes[0]!.ranges.map((range) => ({ ...range, width: 1000 }))
    const wide = { ...plan, saes: [{ ...plan.saes[0]!, ranges }] }
    const carried = { followed: [], failures: {}, window: [] }
    const wrong = { step: 0, config, plan: wide, state: narrow }
    await expect(writeCheckpoint(out, wrong, carried)).rejects.toThrow('Tensor "sae.0.shard.0')
    await writeCheckpoint(out, { step: 0, config, plan, state: engine.state() }, carried)
    const checkpoint = (await readCheckpoint(out, config))!
    await expect(Engine.resume(wide, checkpoint)).rejects.toThrow('offset is out of bounds')
  } finally {
    await engine.close()
    await rm(out, { recursive: true })
  }
})
