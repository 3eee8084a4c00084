import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { D_MODEL, openNoise, randomTopk } from '../../test/handmadeSaes.ts'
import { type Model, padBatch } from '../model/index.ts'
import { saveSae } from '../sae/disk.ts'
import { decode, encode, openRunner, type Sae } from '../sae/index.ts'
import { microscope, testLatent } from './microscope.ts'
import { snippetsOf } from './snippets.ts'
import { Workbench } from './workbench.ts'

const [READS, WRITES] = ['blocks.2.ln2.hook_normalized', 'blocks.2.hook_mlp_out'] as const
const [d, d_sae] = [D_MODEL, 19]
const TEXT = 'The lamp stood on the rock, and the sea was dark.'
const options = { text: TEXT, top_k: 5, max_density: 1 }

const noise = openNoise(4)

/** A TopK transcoder of the MLP in block 2 with random weights and a skip. */
const TRANSCODER = {
  ...randomTopk(READS, { d_sae, k: 4, noise }),
  transcoder: { hook_name_out: WRITES, d_out: d, W_skip: noise(d * d) },
}

let model: Model
let folder: string
const bench = new Workbench({ threads: 1 })
beforeAll(async () => {
  model = await bench.model('thimble-5m')
  folder = await mkdtemp(join(tmpdir(), 'hooke-microscope-'))
})
afterAll(async () => {
  await bench.close()
  await rm(folder, { recursive: true })
})

it('shows a transcoder by what it reads, and its fvu against what it writes', async () => {
  await saveSae(folder, TRANSCODER)
  const output = await bench.outputOf(folder)
  expect(output).toEqual({ hook_out: WRITES })
  const site = { id: 'a', hook: READS, ...output, open: () => bench.sae(folder, model) }
  const view = await microscope(model, [site], options)

  const ids = model.tokenizer!.tokenize(TEXT)
  const pass = await model.forward(padBatch([ids]), { hooks: [READS, WRITES] })
  const [x, y] = [pass.acts.get(READS)!.data, pass.acts.get(WRITES)!.data]
  const acts = encode(TRANSCODER, x)
  const recon = decode(TRANSCODER, acts, x)
  const [row] = view.rows
  expect(row!.hook).toBe(READS)
  expect(row!.l0).toEqual(Array.from(ids, () => 4))
  const strongest = (t: number) => {
    const entries = Array.from({ length: 4 }, (_, e) => acts.row_start[t]! + e)
    return entries.sort((a, b) => acts.value[b]! - acts.value[a]!).map((e) => acts.index[e])
  }
  for (let t = 1; t < ids.length; t++) {
    expect(row!.cells[t]!.map(({ index }) => index)).toEqual(strongest(t))
    let [error, variance] = [0, 0]
    for (let i = 0; i < d; i++) {
      let mean = 0
      for (let other = 1; other < ids.length; other++) mean += y[other * d + i]! / (ids.length - 1)
      error += (y[t * d + i]! - recon[t * d + i]!) ** 2
      variance += (y[t * d + i]! - mean) ** 2
    }
    expect(row!.fvu![t]! / (error / variance)).toBeCloseTo(1, 3)
  }

  const { runner } = await bench.sae(folder, model)
  const { values } = await testLatent(model, runner, { latent: strongest(3)[0]!, text: TEXT })
  expect(values[3]).toBeCloseTo(row!.cells[3]![0]!.act, 5)
})

it('an SAE that was written again is opened again', async () => {
  const dir = join(folder, 'again')
  const [first, second] = [3, 5].map((k) => randomTopk(READS, { d_sae, k, noise }))
  await saveSae(dir, first!)
  const { runner } = await bench.sae(dir, model)
  expect((await bench.sae(dir, model)).runner).toBe(runner)
  await saveSae(dir, second!)
  expect((await bench.sae(dir, model)).runner.sae.W_dec).toEqual(second!.W_dec)
})

it('a transcoder that writes a site the model lacks costs its own row only', async () => {
  const hook_name_out = 'blocks.9.hook_mlp_out'
  const elsewhere: Sae = { ...TRANSCODER, transcoder: { hook_name_out, d_out: d } }
  await saveSae(join(folder, 'elsewhere'), elsewhere)
  const { transcoder: _, ...sae } = TRANSCODER
  const runner = await openRunner({ ...sae, hook_name: WRITES }, { threads: 1 })
  const sites = [
    { id: 'a', hook: READS, hook_out: hook_name_out, open: () => bench.sae(join(folder, 'elsewhere'), model) },
    { id: 'b', hook: WRITES, open: async () => ({ runner }) },
  ] as const // biome-ignore format: a table
  const view = await microscope(model, sites, options)
  expect(view.rows.map(({ sae }) => sae)).toEqual(['b'])
  expect(view.left_out).toContainEqual(expect.stringContaining(`writes ${hook_name_out}`))
  await runner.close()
})

it('snippets load what SAELens knows with SAELens, and a TopK transcoder by its tensors', async () => {
  const shown = (activation: 'jumprelu' | 'topk', isTranscoder: boolean) =>
    snippetsOf({
      dir: '/suites/a',
      model: 'thimble-5m',
      latent: 7,
      config: {
        activation,
        hook_name: READS,
        ...(isTranscoder
          ? { transcoder: { hook_name_out: WRITES, d_out: d, hasSkip: false } }
          : {}),
      },
    })
  for (const [activation, isTranscoder] of [['jumprelu', true], ['topk', false]] as const) {
    expect(shown(activation, isTranscoder).python).toContain('SAE.load_from_disk("/suites/a")')
  } // biome-ignore format: pairs
  const { python, typescript } = shown('topk', true)
  expect(python).toContain('load_file("/suites/a/sae_weights.safetensors")["W_dec"][7]')
  expect(typescript).toContain(`sae.decode(latents, acts.get("${READS}")!.data) // at ${WRITES}`)
  expect(shown('topk', false).typescript).not.toContain('decode')
})
