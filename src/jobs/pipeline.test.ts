import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder, tinyConfig } from '../../test/tinySuite.ts'
import { listSuite, readMetrics } from '../sae/disk.ts'
import type { PipelineConfig, PipelineEvent } from './config.ts'
import { readFailure } from './failure.ts'
import { LABELS_FILE, readLabelsFile } from './labelsFile.ts'
import { runPipeline } from './pipeline.ts'
import { readSuiteFile } from './suiteFile.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let config: PipelineConfig
const events: PipelineEvent[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  config = await tinyConfig(folder.path)
  await runPipeline(config, { report: (event) => events.push(event) })
})
afterAll(() => folder.remove())

const saeFolderOf = async (out: string): Promise<string> => (await listSuite(out))[0]!.path

describe('a whole run', () => {
  it('leaves one trained, evaluated, indexed and labelled SAE per site', async () => {
    const saes = await listSuite(config.out)
    expect(saes.map(({ hook }) => hook)).toEqual([
      'blocks.1.hook_resid_post',
      'blocks.4.hook_resid_post',
    ])
    for (const { path } of saes) {
      expect((await readMetrics(path))?.n_tokens).toBe(150)
      expect((await stat(join(path, 'latents.safetensors'))).size).toBeGreaterThan(0)
      expect((await readLabelsFile(path))?.labels.length).toBeGreaterThan(0)
    }
  })

  it('writes what made the suite, with a sample of its text', async () => {
    const suite = await readSuiteFile(config.out)
    expect(suite).toMatchObject({ name: 'tiny', model: { name: 'thimble-5m' } })
    expect(suite?.saes).toContainEqual({
      hook: 'blocks.4.hook_resid_post',
      d_in: 256,
      d_sae: 64,
      l0: 8,
    })
    expect(suite?.sample_text).toMatch(/\w+ \w+/)
  })

  it('reports progress that never falls and ends at 1', () => {
    const progress = events.flatMap((event) => (event.type === 'progress' ? [event.progress] : []))
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toBe(1)
  })

  it('says when the list of SAEs is known and when each has grown', () => {
    const changes = events.flatMap((event) =>
      event.type === 'suite' ? [`${event.change} ${event.spec?.hook ?? ''}`.trim()] : [],
    )
    expect(changes[0]).toBe('planned')
    for (const change of ['trained', 'evaluated', 'indexed', 'labelled'])
      expect(changes).toContain(`${change} blocks.4.hook_resid_post`)
  })

  it('takes the activations away when they are no longer needed', async () => {
    await expect(stat(join(config.out, 'activations'))).rejects.toThrow('ENOENT')
  })
})

describe('run again', () => {
  it('does not make again what lies on disk', async () => {
    const path = join(await saeFolderOf(config.out), 'sae_weights.safetensors')
    const before = (await stat(path)).mtimeMs
    const stages = new Set<string>()
    await runPipeline(config, {
      report: (event) => {
        if (event.type === 'progress' && event.progress < 1) stages.add(event.stage)
      },
    })
    expect((await stat(path)).mtimeMs).toBe(before)
    expect([...stages]).toEqual(['capture'])
  })

  it('makes again only the stage whose file is gone', async () => {
    const sae = await saeFolderOf(config.out)
    const before = await readFile(join(sae, LABELS_FILE), 'utf8')
    await rm(join(sae, LABELS_FILE))
    await runPipeline(config)
    expect(await readFile(join(sae, LABELS_FILE), 'utf8')).toBe(before)
  })

  it('refuses other settings for the same folder and says which', async () => {
    await expect(runPipeline({ ...config, l0: [9] })).rejects.toThrow(/l0 \[8\].*\[9\]/)
  })
})

describe('stages by name', () => {
  it('runs no other, and makes what was made from other text again', async () => {
    const sae = await saeFolderOf(config.out)
    const other = join(folder.path, 'other.txt')
    await writeFile(other, 'The tide went out.\n<|endoftext|>\nNobody saw it come back.')
    const index = (await stat(join(sae, 'latents.safetensors'))).mtimeMs
    const before = await readMetrics(sae)
    const elsewhere = { ...config, eval_data: [other] }
    await runPipeline(elsewhere, { stages: ['evaluate'] })
    const after = await readMetrics(sae)
    expect(after!.corpus_hash).not.toBe(before!.corpus_hash)
    expect(after!.n_tokens).toBeLessThan(30)
    expect((await stat(join(sae, 'latents.safetensors'))).mtimeMs).toBe(index)

    const written = (await stat(join(sae, 'metrics.json'))).mtimeMs
    await runPipeline(elsewhere, { stages: ['evaluate'] })
    expect((await stat(join(sae, 'metrics.json'))).mtimeMs).toBe(written)
  })

  it('needs no training text where it is not read', async () => {
    const sae = await saeFolderOf(config.out)
    const other = join(folder.path, 'other.txt')
    await runPipeline(
      { ...config, data: [join(folder.path, 'gone.txt')], index_data: [other] },
      { stages: ['index', 'label'] },
    )
    expect((await readLabelsFile(sae))?.labels).toHaveLength(64)
  })
})

describe('a stopped run', () => {
  it('goes on from its checkpoint to the same bytes as an undisturbed one', async () => {
    const stopped = { ...config, out: join(folder.path, 'stopped') }
    const stop = new AbortController()
    const first = runPipeline(stopped, {
      signal: stop.signal,
      report: (event) => {
        if (event.type === 'points') stop.abort()
      },
    })
    await expect(first).rejects.toThrow()
    await expect(listSuite(stopped.out)).resolves.toEqual([])

    await runPipeline(stopped)
    const bytes = async (out: string) =>
      readFile(join(await saeFolderOf(out), 'sae_weights.safetensors'))
    expect((await bytes(stopped.out)).equals(await bytes(config.out))).toBe(true)
  })
})

describe('an SAE that failed', () => {
  it('is left out of all later stages, and is not trained again', async () => {
    const out = join(folder.path, 'failed')
    await runPipeline({ ...config, out }, { stages: ['capture', 'train'] })
    const [good, bad] = (await listSuite(out)).map(({ path }) => path)
    await rm(bad!, { recursive: true })
    await mkdir(bad!)
    const failure = { step: 3, reason: 'the loss is NaN' }
    await writeFile(join(bad!, 'failed.json'), JSON.stringify(failure))
    expect(await readFailure(bad!)).toEqual(failure)
    await runPipeline({ ...config, out })
    expect(await readMetrics(good!)).toBeDefined()
    expect((await readLabelsFile(good!))?.labels).toHaveLength(64)
    expect(await readdir(bad!)).toEqual(['failed.json'])
  })
})
