import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectClose, openGolden } from '../../test/golden.ts'
import { packageRoot } from '../files/index.ts'
import { openModel, padBatch } from '../model/index.ts'
import { headOf, openReadout } from './readout.ts'

/** Between two ways of the same arithmetic in float32. */
const TOLERANCE = 2e-5

describe.each(['gemma2-tiny', 'gemma3-tiny', 'gpt2-tiny', 'gpt-neox-tiny'])('of %s', (fixture) => {
  it("gives the model's own losses: with a softcap or none, with a bias or none", async () => {
    const folder = join(packageRoot(), 'test/fixtures', fixture)
    const { sequences } = await openGolden(folder)
    const model = await openModel(folder, { threads: 1 })
    const ids = sequences[1]!
    const site = 'ln_final.hook_normalized'
    const { acts, next_token_loss } = await model.forward(padBatch([ids]), {
      hooks: [site],
      loss: true,
    })
    const head = await headOf(model)
    expect(head.bias === undefined).toBe(fixture.startsWith('gemma'))
    const readout = await openReadout(head, 1)
    const rows = acts.get(site)!.data.subarray(0, (ids.length - 1) * head.d_model)
    const losses = await readout.losses(rows, ids.slice(1))
    expectClose(losses, next_token_loss!, TOLERANCE)
    await readout.close()
    await model.close()
  })
})
