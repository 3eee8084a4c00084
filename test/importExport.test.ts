/** SAEs that come from elsewhere work like those trained here, and none is lost on the way out. */

import { existsSync } from 'node:fs'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSuiteFile, runPipeline } from '../src/jobs/index.ts'
import { openRandom } from '../src/model/index.ts'
import { listSuite, loadSae, saveSae } from '../src/sae/disk.ts'
import { type Sae, saeFolder } from '../src/sae/index.ts'
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
  expect(await importing(files[0]!)).toMatchObject({
    code: 0,
    message: '',
    printed: expect.stringMatching(/blocks\.1\.hook_resid_post .*(as claimed|off|WRONG)/),
  })
  expect(existsSync(join(imported, 'blocks.1.hook_resid_post/width_64/l0_8/self_test.json'))).toBe(
    true,
  )
  const quietly = await importing(files[1]!, '--no-check')
  expect(quietly).toMatchObject({ code: 0, message: '' })
  expect(quietly.printed).not.toContain('badge')
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

it('a suite of imported SAEs keeps to the precision that its model was opened in', async () => {
  const imported = join(folder.path, 'in-four-bits')
  const from = join(suite, 'blocks.1.hook_resid_post', 'width_64', 'l0_8')
  const into = ['--model', 'thimble-5m', '--l0', '8', '--out', imported]
  const importing = (...more: string[]) => hooke('import', from, ...into, '--no-check', ...more)
  expect(await importing('--weights', 'q4')).toMatchObject({ code: 0, message: '' })
  expect(await importing()).toMatchObject({ code: 0, message: '' })
  expect((await importing('--weights', 'f32')).message).toMatch(/in q4, now asked for f32/)
  const fvu = async (...asked: string[]): Promise<number> => {
    const { printed, message } = await hooke('eval', ...asked, '--tokens', '150', '--json')
    expect(message).toBe('')
    return JSON.parse(printed)[0].fvu
  }
  const [f32, q4] = [await fvu(suite, '--data', text), await fvu(imported, '--data', text)]
  expect(q4).not.toBe(f32)
  expect(q4).toBeCloseTo(f32, 1)
})

it("a transcoder goes out as Gemma Scope's, comes in again, and is measured, indexed and steered with", async () => {
  const random = openRandom(3)
  const noise = (n: number) => Float32Array.from({ length: n }, () => 2 * random() - 1)
  const [d, d_sae] = [256, 23]
  const transcoder: Sae = {
    architecture: 'jumprelu',
    hook_name: 'blocks.2.ln2.hook_normalized',
    d_in: d,
    d_sae,
    W_enc: noise(d * d_sae),
    b_enc: noise(d_sae),
    W_dec: noise(d_sae * d),
    b_dec: noise(d),
    threshold: new Float32Array(d_sae).fill(9),
    transcoder: { hook_name_out: 'blocks.2.hook_mlp_out', d_out: d },
    metadata: {},
  }
  const trained = join(folder.path, 'transcoders')
  await saveSae(saeFolder(trained, transcoder.hook_name, d_sae, 5), transcoder)
  const { printed } = await hooke('export', trained, '--out', join(folder.path, 'published'))
  expect(printed).toContain('published-transcoders/layer_2/width_23/average_l0_5/params.npz')
  const imported = join(folder.path, 'imported-transcoders')
  const importing = [
    'import',
    printed.trim(),
    '--model',
    'thimble-5m',
    '--out',
    imported,
    '--no-check',
  ]
  expect(await hooke(...importing)).toMatchObject({
    code: 0,
    printed: expect.stringContaining('blocks.2.ln2.hook_normalized to blocks.2.hook_mlp_out'),
  })
  const [entry] = await listSuite(imported)
  const sites = { hook: transcoder.hook_name, hook_out: 'blocks.2.hook_mlp_out' }
  expect(entry).toMatchObject(sites)
  expect((await readSuiteFile(imported))!.saes).toEqual([{ ...sites, d_in: d, d_sae, l0: 5 }])
  const { metadata: _, ...arrays } = transcoder
  expect(await loadSae(entry!.path)).toMatchObject(arrays)
  for (const command of [['eval', '--tokens', '150'], ['index', '--tokens', '300'], ['label']])
    expect(await hooke(command[0]!, imported, '--data', text, ...command.slice(1))).toMatchObject({
      code: 0,
      message: '',
    })
  const latent = `${transcoder.hook_name}/5`
  const steering = ['--mode', 'clamp', '--strength', '2', '--prompt', 'The sea']
  expect(
    await hooke('steer', imported, '--latent', latent, ...steering, '--max-tokens', '2'),
  ).toMatchObject({ code: 0, message: '' })
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
