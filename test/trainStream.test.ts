/** `hooke train --stream`: capture and training together, nothing of the activations on disk. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PipelineConfig, runPipeline } from '../src/jobs/index.ts'
import { saeFolder } from '../src/sae/index.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let config: PipelineConfig
beforeAll(async () => {
  folder = await temporaryFolder()
  config = { ...(await tinyConfig(folder.path)), stream: true, n_tokens: 5000, dtype: 'BF16' }
})
afterAll(() => folder.remove())

const weights = (out: string) =>
  Promise.all(
    (['blocks.1.hook_resid_post', 'blocks.4.hook_resid_post'] as const).map((hook) =>
      readFile(join(saeFolder(out, hook, 64, 8), 'sae_weights.safetensors')),
    ),
  )
const train = async (name: string, options: Parameters<typeof runPipeline>[1] = {}) => {
  const out = join(folder.path, name)
  await runPipeline({ ...config, out }, { stages: ['capture', 'train'], ...options })
  return weights(out)
}

it('gives the same bytes twice, and when it is stopped and goes on', async () => {
  const once = await train('once')
  expect(await train('twice')).toEqual(once)
  const stop = new AbortController()
  const stopped = train('stopped', {
    signal: stop.signal,
    report: (event) => {
      if (event.type === 'points' && event.points[0]!.step === 9) stop.abort()
    },
  })
  await expect(stopped).rejects.toThrow(/stopped/i)
  const left = await readdir(join(folder.path, 'stopped', 'checkpoint'))
  expect(left).toEqual(['norms.json', 'step_000000009.safetensors'])
  expect(await train('stopped')).toEqual(once)
})

it('leaves nothing but the suite', async () => {
  const files = await readdir(join(folder.path, 'once'))
  expect(files.filter((name) => !name.startsWith('blocks.')).sort()).toEqual([
    'pieces.json',
    'points.jsonl',
    'suite.json',
  ])
})
