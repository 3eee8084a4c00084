import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../../test/tinySuite.ts'
import type { TrainPoint } from '../train/index.ts'
import { POINTS_FILE, PointsFile, readPoints } from './pointsFile.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

const point = (step: number, fvu: number): TrainPoint => ({
  hook: 'blocks.1.hook_mlp_out',
  d_sae: 35,
  l0_target: 2.5,
  step,
  n_steps: 9,
  n_tokens: 7 * step,
  mse: 0.5,
  sparsity_loss: 0.25,
  aux_loss: 0.125,
  lambda: 0.1,
  l0: 3,
  fvu,
  dead: 0.2,
  tokens_per_s: 1e5,
})

it('gives back what was measured; a step measured again counts as measured last', async () => {
  const suite = join(folder.path, 'resumed')
  expect(await readPoints(suite)).toEqual([])
  const first = new PointsFile(suite)
  first.add([point(1, 0.9)])
  first.add([point(2, 0.8), point(3, 0.7)])
  await first.close()
  const second = new PointsFile(suite)
  second.add([point(3, 0.6), { ...point(3, 0.5), d_sae: 36 }])
  await second.close()
  expect(await readPoints(suite)).toEqual([
    point(1, 0.9),
    point(2, 0.8),
    point(3, 0.6),
    { ...point(3, 0.5), d_sae: 36 },
  ])
})

it('leaves out the half line of a program that was killed, and nothing after it', async () => {
  const suite = join(folder.path, 'killed')
  const first = new PointsFile(suite)
  first.add([point(1, 0.9), point(2, 0.8)])
  await first.close()
  const path = join(suite, POINTS_FILE)
  const whole = await readFile(path, 'utf8')
  await appendFile(path, whole.slice(0, 40))
  const second = new PointsFile(suite)
  second.add([point(3, 0.7)])
  await second.close()
  expect((await readPoints(suite)).map(({ step }) => step)).toEqual([1, 2, 3])
})
