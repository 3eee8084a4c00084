/** The frontier bench, tiny: rows as measured, one suite folder an architecture, and nothing made twice. */
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type FrontierSettings, measureFrontier } from '../bench/frontier.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

it('measures every architecture, and goes on where it stopped', async () => {
  const folder = await temporaryFolder()
  try {
    const out = join(folder.path, 'frontier')
    const hook = 'blocks.1.hook_resid_post'
    const settings: FrontierSettings = {
      ...{
        out,
        data: (await tinyConfig(folder.path)).data,
        hooks: [hook],
        architectures: ['jumprelu', 'topk'],
        l0: [7],
        d_sae: 60,
      },
      ...{ n_tokens: 1000, eval_tokens: 60, batch_size: 250, seed: 1, threads: 1 },
    }
    const { signal } = new AbortController()
    const rows = await measureFrontier(settings, { signal })
    expect(rows.map(({ architecture, l0_target }) => [architecture, l0_target])).toEqual([
      ['jumprelu', 7],
      ['topk', 7],
    ])
    for (const row of rows) {
      expect(row.fvu).toBeGreaterThan(0)
      expect(row.delta_ce_loss).toBeGreaterThan(0)
    }
    const written = JSON.parse(await readFile(join(out, 'frontier.json'), 'utf8'))
    expect(written.rows).toEqual(rows)

    const file = (architecture: string, name: string) =>
      join(out, architecture, hook, 'width_60', 'l0_7', name)
    const made = (name: string) => stat(file('jumprelu', name)).then(({ mtimeMs }) => mtimeMs)
    const before = [await made('sae_weights.safetensors'), await made('metrics.json')]
    await rm(file('topk', 'metrics.json'))
    const said: string[] = []
    const again = await measureFrontier(settings, { signal, say: (message) => said.push(message) })
    expect(again).toEqual(rows)
    expect([await made('sae_weights.safetensors'), await made('metrics.json')]).toEqual(before)
    expect(said.filter((message) => message.includes('evaluating'))[0]).toMatch(/^topk/)
  } finally {
    await folder.remove()
  }
})
