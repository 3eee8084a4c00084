/** `hooke check`: badges as a table and as JSON, kept beside the SAEs, and a planted mistake named. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSelfTest } from '../src/evaluate/disk.ts'
import { runPipeline } from '../src/jobs/index.ts'
import { listSuite, loadSae, readMetrics, saveSae } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const FEW = ['--tokens', '300', '--threads', '1']

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config, { stages: ['capture', 'train', 'evaluate'] })
  suite = config.out
}, 60_000)
afterAll(() => folder.remove())

it('prints a row an SAE with what was claimed and found, and keeps it beside the weights', async () => {
  const { printed } = await hooke('check', suite, ...FEW)
  expect(printed).toMatch(/^site +L0 claimed +L0 +FVU claimed +FVU +delta loss +badge$/m)
  expect(printed).toContain('On 300 tokens of built-in text')
  for (const { path, hook } of await listSuite(suite)) {
    const kept = (await readSelfTest(path))!
    const metrics = (await readMetrics(path))!
    expect(kept).toMatchObject({
      ...{ hook_name: hook, claims_from: 'metrics.json', n_tokens: 300, model: 'thimble-5m' },
      ...{ claimed_l0: metrics.l0, claimed_fvu: metrics.fvu, model_hash: metrics.model_hash },
    })
    expect(printed).toMatch(
      new RegExp(`^${hook} .*${kept.fvu!.toFixed(3)}.*${kept.delta_ce_loss!.toFixed(3)}`, 'm'),
    )
  }
})

it('ends with 1 where an SAE is red, and names the site that fits; --json says the same', async () => {
  const [, right] = await listSuite(suite)
  const wrong = join(folder.path, 'wrong')
  await cp(right!.path, wrong, { recursive: true })
  const sae = await loadSae(wrong)
  await saveSae(wrong, { ...sae, hook_name: 'blocks.4.attn.hook_z' })
  const { code, message, printed } = await hooke('check', wrong, ...FEW, '--json')
  expect({ code, message }).toEqual({
    code: 1,
    message: '1 of 1 SAEs do not do on thimble-5m what is claimed of them.',
  })
  const [result] = JSON.parse(printed)
  expect(result).toMatchObject({ folder: wrong, badge: 'red' })
  expect(result).toMatchObject(JSON.parse(await readFile(join(wrong, 'self_test.json'), 'utf8')))
  expect(result.causes[0]).toMatchObject({ kind: 'hook', hook_name: right!.hook })
  const table = (await hooke('check', wrong, ...FEW)).printed
  expect(table).toMatch(/^blocks\.4\.attn\.hook_z .* WRONG$/m)
  expect(table).toContain(`  It ${result.causes[0].says}.`)
})

it('asks for a model where none is named, and for SAEs where there are none', async () => {
  const [one] = await listSuite(suite)
  const stray = join(folder.path, 'stray')
  await cp(one!.path, stray, { recursive: true })
  const path = join(stray, 'cfg.json')
  const config = JSON.parse(await readFile(path, 'utf8'))
  delete config.metadata.model_name
  await writeFile(path, JSON.stringify(config))
  expect(await hooke('check', stray)).toMatchObject({
    code: 2,
    message: expect.stringContaining('--model'),
  })
  await rm(path)
  expect(await hooke('check', stray)).toMatchObject({
    code: 2,
    message: expect.stringContaining('holds neither a suite nor cfg.json'),
  })
})

it('says what a model loses by fewer bits, and asks for their number', async () => {
  const kl = async (weights: string): Promise<number> => {
    const { printed } = await hooke('check', 'thimble-5m', '--weights', weights, ...FEW, '--json')
    const found = JSON.parse(printed)
    expect(found).toMatchObject({ model: 'thimble-5m', weights, n_tokens: 300 })
    return found.kl
  }
  const [bf16, q8, q4] = [await kl('bf16'), await kl('q8'), await kl('q4')]
  expect(bf16).toBeLessThan(1e-9)
  expect(q8).toBeGreaterThan(1e-6)
  expect(q8).toBeLessThan(1e-3)
  expect(q4).toBeGreaterThan(10 * q8)
  expect((await hooke('check', 'thimble-5m', '--weights', 'q8', ...FEW)).printed).toMatch(
    /^q8 .* %/m,
  )
  expect(await hooke('check', 'thimble-5m')).toMatchObject({
    code: 2,
    message: expect.stringContaining('thimble-5m is a model'),
  })
})
