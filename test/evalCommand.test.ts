/** `hooke eval`: the table, the numbers, and the plots of one suite or several. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runPipeline } from '../src/jobs/index.ts'
import { listSuite, readMetrics } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const PLOTS = ['density.svg', 'frontier.svg', 'layers.svg', 'position.svg']

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config, { stages: ['capture', 'train'] })
  suite = config.out
}, 60_000)
afterAll(() => folder.remove())

it('measures a suite, prints a table no wider than 100 characters, and draws it', async () => {
  const { code, message, printed } = await hooke('eval', suite, '--plots')
  expect({ code, message }).toEqual({ code: 0, message: '' })
  expect(printed).toMatch(/^site +width +L0 asked +L0 +FVU +delta loss +KL +r_L0 +dead +labelled$/m)
  const [entry] = await listSuite(suite)
  const metrics = (await readMetrics(entry!.path))!
  expect(printed).toContain(metrics.kl!.toFixed(4))
  expect(printed).toContain(`on ${metrics.uniformity_tokens} tokens`)
  const table = printed.split('\n').filter((line) => !line.startsWith('Plots'))
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(100)
  expect((await readdir(join(suite, 'plots'))).toSorted()).toEqual(PLOTS)
  expect(printed).toContain(join(suite, 'plots', 'frontier.svg'))
})

it('prints everything as JSON', async () => {
  const saes = JSON.parse((await hooke('eval', suite, '--json')).printed) as object[]
  expect(saes).toHaveLength(2)
  for (const [i, { path }] of (await listSuite(suite)).entries()) {
    const metrics = await readMetrics(path)
    expect(saes[i]).toMatchObject({ ...metrics, d_sae: 64, l0_target: 8, architecture: 'jumprelu' })
  }
})

it('measures again what was measured by a version that measured less, or on other numbers of tokens', async () => {
  const [entry] = await listSuite(suite)
  const before = (await readMetrics(entry!.path))!
  const { by_position: _, kl: __, ...old } = before
  await writeFile(join(entry!.path, 'metrics.json'), JSON.stringify(old))
  expect(await hooke('eval', suite)).toMatchObject({ code: 0 })
  expect(await readMetrics(entry!.path)).toEqual(before)
  const { printed } = await hooke('eval', suite, '--importance-tokens', '0')
  const after = (await readMetrics(entry!.path))!
  expect(after).not.toHaveProperty('uniformity')
  expect(after.absent.uniformity).toContain('not asked for')
  expect(printed).not.toContain('r_L0:')
})

it('draws several suites in the same plots, by the names of their folders', async () => {
  const other = join(folder.path, 'another')
  await cp(suite, other, { recursive: true })
  const { code, message } = await hooke('eval', suite, other, '--plots')
  expect(code).toBe(2)
  expect(message).toContain('--plots plots')
  const plots = join(folder.path, 'plots')
  const { printed } = await hooke('eval', suite, other, '--plots', plots)
  expect(printed).toContain(`\n${other}\n`)
  expect((await readdir(plots)).toSorted()).toEqual(PLOTS)
  const frontier = await readFile(join(plots, 'frontier.svg'), 'utf8')
  for (const name of ['tiny', 'another']) expect(frontier).toContain(`>${name}</text>`)
})
