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
    const config = { by: 'test' }
    const carried = { followed: [], failures: {}, window: [] }
    await writeCheckpoint(out, { step: 0, config, plan, state: engine.state() }, carried)
    const checkpoint = (await readCheckpoint(out, config))!
    // One shard more than the checkpoint holds: the thread that owns it finds out.
    const [sae] = plan.saes
    const ranges = [...sae!.ranges, { first: 61, width: 5, group: 0 }]
    const more = { ...plan, saes: [{ ...sae!, ranges, owners: [...sae!.owners, 1] }] }
    await expect(Engine.resume(more, checkpoint)).rejects.toThrow('sae.0.shard.2.W_enc')
  } finally {
    await engine.close()
    await rm(out, { recursive: true })
  }
})
