/** What leaves in other projects' layouts is what the suite holds, and what has no place there is named. */
import { existsSync } from 'node:fs'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFile } from '../src/files/index.ts'
import { parseSafetensors, toFloat32 } from '../src/formats/index.ts'
import { readLabelsFile, readPieces, readSuiteFile, runPipeline } from '../src/jobs/index.ts'
import { openLatents, saveLatents } from '../src/latents/disk.ts'
import { N_LOGITS, N_NEIGHBOURS, N_TOP_TOKENS } from '../src/latents/index.ts'
import { listSuite, loadSae, saveSae } from '../src/sae/disk.ts'
import { type Sae, saeFolder } from '../src/sae/index.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config)
  suite = config.out
}, 60_000)
afterAll(() => folder.remove())

/** A suite's copy with one more SAE: of `d_sae` latents, k of them on, in architecture topk. */
async function withTopk(name: string): Promise<string> {
  const mixed = join(folder.path, name)
  await cp(suite, mixed, { recursive: true })
  const [first] = await listSuite(suite)
  const sae = await loadSae(first!.path)
  const topk: Sae = { ...sae, architecture: 'topk', k: 5, threshold: new Float32Array(sae.d_sae) }
  await saveSae(saeFolder(mixed, sae.hook_name, sae.d_sae, 5), topk)
  return mixed
}

describe('saelens', () => {
  it('holds the same SAEs, and how often their latents fire', async () => {
    const out = join(folder.path, 'lens')
    const { code, printed } = await hooke('export', suite, '--format', 'saelens', '--out', out)
    expect(code).toBe(0)
    const entries = await listSuite(suite)
    expect(printed.split('\n')).toHaveLength(entries.length)
    for (const { path } of entries) {
      const there = path.replace(suite, out)
      expect(printed).toContain(there)
      expect((await readdir(there)).toSorted()).toEqual([
        'cfg.json',
        'sae_weights.safetensors',
        'sparsity.safetensors',
      ])
      const config = JSON.parse(await readFile(join(there, 'cfg.json'), 'utf8'))
      expect(config).toMatchObject({
        architecture: 'jumprelu',
        metadata: { model_name: 'thimble-5m' },
      })
      expect(await loadSae(there)).toEqual(await loadSae(path))
      const file = await openFile(join(there, 'sparsity.safetensors'))
      const latents = await openLatents(path)
      const sparsity = toFloat32(await (await parseSafetensors(file)).read('sparsity'))
      expect(sparsity).toHaveLength(64)
      for (let i = 0; i < 64; i++) {
        const { density } = await latents.record(i)
        expect(sparsity[i]).toBeCloseTo(density === 0 ? -10 : Math.log10(density), 4)
      }
      await file.close()
      await latents.close()
    }
  })

  it('goes without frequencies where the suite is not indexed, and says so', async () => {
    const out = join(folder.path, 'mixed-lens')
    const mixed = await withTopk('mixed-for-lens')
    const { code, said } = await hooke('export', mixed, '--format', 'saelens', '--out', out)
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('not indexed') })
    const topk = join(out, 'blocks.1.hook_resid_post/width_64/l0_5')
    expect(existsSync(join(topk, 'sparsity.safetensors'))).toBe(false)
    expect(await loadSae(topk)).toMatchObject({ architecture: 'topk', k: 5 })
  })
})

it('gemma-scope: what the layout has no place for is left out and named, the others are written, and it ends with 1', async () => {
  const out = join(folder.path, 'mixed-scope')
  const mixed = await withTopk('mixed')
  const { code, message, printed, said } = await hooke('export', mixed, '--out', out)
  expect(code).toBe(1)
  expect(message).toContain('1 of 3 SAEs were left out of the gemma-scope layout')
  expect(said).toMatch(/^left out: .*l0_5: .*architecture topk/m)
  const files = printed.split('\n')
  expect(files).toHaveLength(2)
  for (const file of files) expect(existsSync(file)).toBe(true)
})

describe('neuronpedia', () => {
  const run = (from: string, out: string) =>
    hooke('export', from, '--format', 'neuronpedia', '--out', out)
  const rowsOf = async (path: string): Promise<Record<string, unknown>[]> => {
    const bytes = await readFile(path)
    const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    expect(text.endsWith('\n')).toBe(true)
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  it('holds every record of the index, and every label', async () => {
    const out = join(folder.path, 'pedia')
    expect(await run(suite, out)).toMatchObject({ code: 0, said: '' })
    const pieces = (await readPieces(suite))!.map((piece) => piece.replaceAll('\u21b5', '\n'))
    const { created } = (await readSuiteFile(suite))!
    for (const { hook, path } of await listSuite(suite)) {
      const id = `${/\d+/.exec(hook)![0]}-tiny-res-64`
      const bundle = join(out, 'v1/thimble-5m', id)
      const [release] = await rowsOf(join(bundle, 'release.jsonl'))
      expect(release).toMatchObject({ name: 'tiny', createdAt: created })
      expect(await rowsOf(join(bundle, 'model.jsonl'))).toMatchObject([{ id: 'thimble-5m' }])
      const set = { modelId: 'thimble-5m', name: 'tiny-res-64', releaseName: 'tiny' }
      expect(await rowsOf(join(bundle, 'sourceset.jsonl'))).toMatchObject([set])
      const source = { id, modelId: 'thimble-5m', setName: 'tiny-res-64' }
      expect(await rowsOf(join(bundle, 'source.jsonl'))).toMatchObject([source])

      const sae = await loadSae(path)
      const latents = await openLatents(path)
      const features = await rowsOf(join(bundle, 'features/batch-0.jsonl.gz'))
      const activations = await rowsOf(join(bundle, 'activations/batch-0.jsonl.gz'))
      expect(features).toHaveLength(64)
      for (const [i, feature] of features.entries()) {
        const record = await latents.record(i)
        expect(feature).toMatchObject({ index: i, layer: id, hookName: hook })
        expect(Float32Array.from(feature.vector as number[])).toEqual(
          sae.W_dec.slice(i * sae.d_in, (i + 1) * sae.d_in),
        )
        expect(feature.frac_nonzero).toBe(record.density)
        expect(feature.pos_str).toEqual(record.top_logits.map((logit) => pieces[logit.id]))
        const own = activations.filter((row) => row.index === i)
        expect(own.map((row) => row.tokens)).toEqual(
          record.examples.map(({ ids }) => Array.from(ids, (token) => pieces[token])),
        )
        for (const [e, row] of own.entries()) {
          const { values, interval } = record.examples[e]!
          expect(Float32Array.from(row.values as number[])).toEqual(values)
          expect(Math.fround(row.maxValue as number)).toBe(Math.max(...values))
          expect('binMin' in row).toBe(interval > 0)
          if (interval > 0) {
            const peak = values[row.qualifyingTokenIndex as number]!
            expect(peak).toBeGreaterThanOrEqual(row.binMin as number)
            expect(peak).toBeLessThan(row.binMax as number)
          }
        }
      }
      await latents.close()
      const labels = (await readLabelsFile(path))!
      const explanations = await rowsOf(join(bundle, 'explanations/batch-0.jsonl.gz'))
      expect(explanations.map((row) => [row.index, row.description])).toEqual(
        labels.labels.map(({ latent, text }) => [latent, text]),
      )
    }
  })

  it('gives the same bytes again', async () => {
    const [one, two] = [join(folder.path, 'pedia-1'), join(folder.path, 'pedia-2')]
    await run(suite, one)
    await run(suite, two)
    const files = (await readdir(one, { recursive: true, withFileTypes: true })).filter((f) =>
      f.isFile(),
    )
    expect(files).toHaveLength(2 * 7)
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name)
      expect(await readFile(path)).toEqual(await readFile(path.replace(one, two)))
    }
  })

  it('leaves out what is not indexed, and tells several L0s of a width apart', async () => {
    const out = join(folder.path, 'mixed-pedia')
    const { code, said, printed } = await run(await withTopk('mixed-for-pedia'), out)
    expect(code).toBe(1)
    expect(said).toMatch(/^left out: .*l0_5: it is not indexed\. Run hooke index/m)
    expect(printed.split('\n').map((path) => path.slice(path.lastIndexOf('/') + 1))).toEqual([
      '1-mixed-for-pedia-res-64__l0-8',
      '4-mixed-for-pedia-res-64',
    ])
  })

  it('cuts latents into batches of 1,024', async () => {
    const [entry] = await listSuite(suite)
    const wide = join(folder.path, 'wide')
    await cp(join(suite, 'suite.json'), join(wide, 'suite.json'))
    await cp(join(suite, 'pieces.json'), join(wide, 'pieces.json'))
    const d_sae = 1027
    const sae = await loadSae(entry!.path)
    const path = saeFolder(wide, sae.hook_name, d_sae, 8)
    const W_dec = Float32Array.from({ length: d_sae * sae.d_in }, (_, i) =>
      Math.floor(i / sae.d_in),
    )
    await saveSae(path, {
      ...sae,
      ...{ d_sae, W_enc: new Float32Array(d_sae * sae.d_in), W_dec },
      ...{ b_enc: new Float32Array(d_sae), threshold: new Float32Array(d_sae) },
    })
    await saveLatents(path, {
      info: { ...(await openInfo(entry!.path)), d_sae },
      columns: emptyColumns(d_sae),
    })
    const out = join(folder.path, 'wide-pedia')
    expect(await run(wide, out)).toMatchObject({ code: 0 })
    const bundle = join(out, 'v1/thimble-5m/1-wide-res-1027')
    const batches = await Promise.all(
      [0, 1].map((batch) => rowsOf(join(bundle, `features/batch-${batch}.jsonl.gz`))),
    )
    expect(batches.map((rows) => rows.map(({ index }) => index))).toEqual([
      Array.from({ length: 1024 }, (_, i) => i),
      [1024, 1025, 1026],
    ])
    expect(new Set(batches[1]![2]!.vector as number[])).toEqual(new Set([1026]))
    expect((await readdir(join(bundle, 'features'))).toSorted()).toHaveLength(2)
    expect(existsSync(join(bundle, 'explanations'))).toBe(false)
  })
})

it('an unknown layout is refused, with those that there are', async () => {
  const refused = await hooke('export', suite, '--format', 'onnx', '--out', folder.path)
  expect(refused).toMatchObject({
    code: 2,
    message: expect.stringContaining('expected saelens, gemma-scope or neuronpedia'),
  })
})

async function openInfo(path: string) {
  const latents = await openLatents(path)
  const { info } = latents
  await latents.close()
  return info
}

/** The columns of latents none of which ever fired. */
function emptyColumns(d_sae: number) {
  const ids = (width: number) => new Int32Array(d_sae * width).fill(-1)
  const numbers = (width: number) => new Float32Array(d_sae * width)
  const none = new Int32Array(0)
  return {
    ...{ n_active: new Int32Array(d_sae), max_act: numbers(1), mean_act: numbers(1) },
    histogram: new Int32Array(d_sae * 40),
    ...{ top_token_id: ids(N_TOP_TOKENS), top_token_count: new Int32Array(d_sae * N_TOP_TOKENS) },
    ...{ top_logit_id: ids(N_LOGITS), top_logit_effect: numbers(N_LOGITS) },
    ...{ bottom_logit_id: ids(N_LOGITS), bottom_logit_effect: numbers(N_LOGITS) },
    ...{ neighbour_site: ids(N_NEIGHBOURS), neighbour_index: ids(N_NEIGHBOURS) },
    neighbour_cosine: numbers(N_NEIGHBOURS),
    example_first: new Int32Array(d_sae + 1),
    ...{ example_interval: none, example_doc: none, example_start: none, example_peak: none },
    ...{ ids_first: new Int32Array(1), ids: none, active_first: new Int32Array(1) },
    ...{ active_at: none, active_value: new Float32Array(0) },
  }
}
