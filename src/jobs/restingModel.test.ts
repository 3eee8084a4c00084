import { expect, it } from 'vitest'
import { openModel, padBatch } from '../model/index.ts'
import { openRestingModel } from './restingModel.ts'

const token = padBatch([Int32Array.of(7)])

it('has caches in the memory of the model that is awake', async () => {
  const model = await openRestingModel(() => openModel('thimble-5m', { threads: 1, weights: 'q4' }))
  const logits = async (): Promise<Float32Array> => {
    const cache = model.openCache(1)
    const found = await model.forward(token, { cache, logits: true })
    cache.close()
    return found.logits!
  }
  const before = await logits()
  await model.rest()
  expect(() => model.openCache(1)).toThrow(/thimble-5m rests/)
  await model.forward(token)
  expect(await logits()).toEqual(before)
  await model.close()
})
