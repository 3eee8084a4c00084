/** SAEs that come from elsewhere work like those trained here, and none is lost on the way out. */

import { existsSync } from 'node:fs'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSuiteFile, runPipeline } from '../src/jobs/index.ts'
import { listSuite } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let text: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config, { stages: ['capture', 'train'] })
  suite = config.out
  text = config.data[0]!
})
afterAll(() => folder.remove())

it('an imported SAE is measured, indexed, labelled and steered with, once text is given', async () => {
  const files = (await hooke('export', suite, '--out', join(folder.path, 'scope'))).printed.split(
    '\n',
  )
  const imported = join(folder.path, 'imported')
  const importing = (...which: string[]) =>
    hooke('import', ...which, '--model', 'thimble-5m', '--l0', '8', '--out', imported)
  expect(await importing(files[0]!)).toMatchObject({ code: 0, message: '' })
  expect(await importing(files[1]!)).toMatchObject({ code: 0, message: '' })
  const file = await readSuiteFile(imported)
  expect(file!.model).toMatchObject({ name: 'thimble-5m', path: 'thimble-5m' })
  expect(file!.saes).toHaveLength(2)
  expect(await hooke('index', imported)).toMatchObject({ code: 2 })
  const commands = [['eval', '--tokens', '150'], ['index', '--tokens', '300'], ['label']] as const
  for (const [command, ...most] of commands)
    expect(await hooke(command, imported, '--data', text, ...most)).toMatchObject({
      code: 0,
      message: '',
    })
  const latent = `${file!.saes[0]!.hook}/5`
  const prompt = ['--prompt', 'The sea', '--max-tokens', '2']
  const steered = await hooke('steer', imported, '--latent', latent, '--mode', 'ablate', ...prompt)
  expect(steered).toMatchObject({ code: 0, message: '' })
})

it('two SAEs that would share a name are refused before either is written', async () => {
  const crowded = join(folder.path, 'crowded')
  await cp(suite, crowded, { recursive: true })
  const [first] = await listSuite(crowded)
  await cp(first!.path, first!.path.replace('l0_8', 'l0_9'), { recursive: true })
  const metrics = JSON.stringify({ n_tokens: 10, l0: 8.4 })
  for (const { path } of await listSuite(crowded))
    await writeFile(join(path, 'metrics.json'), metrics)
  const out = join(folder.path, 'crowded-scope')
  const refused = await hooke('export', crowded, '--out', out)
  expect(refused).toMatchObject({ code: 2, message: expect.stringContaining('share one name') })
  expect(existsSync(`${out}-res`)).toBe(false)
})
