import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileError } from '../files/index.ts'
import {
  FormatError,
  fromFloat32,
  type Tensor,
  toFloat32,
  writeSafetensors,
} from '../formats/index.ts'
import {
  listSuite,
  loadPublishedSae,
  loadSae,
  readMetrics,
  readSuiteManifest,
  saveGemmaScope,
  saveSae,
  writeSuiteManifest,
} from './disk.ts'
import {
  decode,
  encode,
  gemmaScopeSites,
  type Sae,
  saeFolder,
  saelensTensors,
  widthName,
} from './index.ts'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hooke-sae-'))
})
afterAll(() => rmSync(root, { recursive: true }))

const ramp = (length: number, step: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * step))
const SAE: Sae = {
  architecture: 'jumprelu',
  hook_name: 'blocks.3.attn.hook_z',
  d_in: 3,
  d_sae: 5,
  W_enc: ramp(15, 1),
  b_enc: ramp(5, 2),
  W_dec: ramp(15, 3),
  b_dec: ramp(3, 4),
  threshold: Float32Array.of(0, 0.1, 0.2, 0.3, 0.4),
  metadata: { model_name: 'thimble-5m', prepend_bos: true, hook_name: 'blocks.3.attn.hook_z', hook_head_index: null },
} // biome-ignore format: one field a line
const arrays = ({ W_enc, b_enc, W_dec, b_dec, threshold }: Sae) => ({
  W_enc,
  b_enc,
  W_dec,
  b_dec,
  threshold,
})

/** A folder with this configuration and these tensors. */
function folder(
  name: string,
  config: object,
  tensors: Iterable<[string, Tensor]> = saelensTensors(SAE),
): string {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'cfg.json'), JSON.stringify(config))
  writeFileSync(join(path, 'sae_weights.safetensors'), writeSafetensors(tensors))
  return path
}
const CONFIG = {
  architecture: 'jumprelu',
  d_in: 3,
  d_sae: 5,
  dtype: 'float32',
  device: 'cpu',
  apply_b_dec_to_input: false,
  normalize_activations: 'none',
  reshape_activations: 'hook_z',
  metadata: { hook_name: 'blocks.3.attn.hook_z' },
}

const TRANSCODER_CONFIG = {
  ...CONFIG,
  architecture: 'jumprelu_transcoder',
  d_out: 3,
  metadata: { hook_name: 'blocks.3.hook_resid_mid', hook_name_out: 'blocks.3.hook_mlp_out' },
}

const TOPK: Sae = { ...SAE, architecture: 'topk', k: 2, threshold: new Float32Array(5) }

/** The same dictionary, read at resid_mid and written 2 wide at mlp_out. */
const asTranscoder = (sae: Sae, W_skip?: Float32Array): Sae => ({
  ...sae,
  hook_name: 'blocks.3.hook_resid_mid',
  W_dec: ramp(10, 3),
  b_dec: ramp(2, 4),
  transcoder: { hook_name_out: 'blocks.3.hook_mlp_out', d_out: 2, ...(W_skip ? { W_skip } : {}) },
  metadata: {
    model_name: 'thimble-5m',
    prepend_bos: true,
    hook_name: 'blocks.3.hook_resid_mid',
    hook_head_index: null,
    hook_name_out: 'blocks.3.hook_mlp_out',
    hook_head_index_out: null,
  },
})

describe("SAELens's layout", () => {
  it('is written with the fields and tensors of SAELens 6 and loads back equal', async () => {
    const path = join(root, 'saved')
    await saveSae(path, SAE)
    expect(JSON.parse(readFileSync(join(path, 'cfg.json'), 'utf8'))).toEqual({
      ...CONFIG,
      metadata: SAE.metadata,
    })
    expect(await loadSae(path)).toEqual(SAE)
  })

  it('is the same bytes when saved again', async () => {
    const read = () => readFileSync(join(root, 'saved', 'sae_weights.safetensors'))
    const before = read()
    await saveSae(join(root, 'saved'), await loadSae(join(root, 'saved')))
    expect(read()).toEqual(before)
  })

  it.each([
    ['topk', TOPK],
    ['jumprelu_transcoder', asTranscoder(SAE)],
    ['jumprelu_skip_transcoder', asTranscoder(SAE, ramp(6, 6))],
    ['topk_transcoder', asTranscoder(TOPK)],
    ['topk_skip_transcoder', asTranscoder(TOPK, ramp(6, 6))],
  ] as const)('holds a %s and loads it back equal', async (architecture, sae) => {
    const path = join(root, architecture)
    await saveSae(path, sae)
    const config = JSON.parse(readFileSync(join(path, 'cfg.json'), 'utf8'))
    expect(config).toEqual({
      ...CONFIG,
      architecture,
      ...(sae.k ? { k: 2, rescale_acts_by_decoder_norm: false } : {}),
      ...(sae.transcoder ? { d_out: 2, reshape_activations: 'none' } : {}),
      metadata: sae.metadata,
    })
    expect(await loadSae(path)).toEqual(sae)
  })

  it('holds W_skip as [d_out, d_in], and no threshold of TopK', () => {
    const tensors = new Map(saelensTensors(asTranscoder(TOPK, Float32Array.of(1, 2, 3, 4, 5, 6))))
    expect([...tensors.keys()]).toEqual(['W_enc', 'b_enc', 'W_dec', 'b_dec', 'W_skip'])
    const { shape } = tensors.get('W_skip')!
    expect(shape).toEqual([2, 3])
    expect(toFloat32(tensors.get('W_skip')!)).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6))
  })

  it('of a ReLU SAE is read as JumpReLU with thresholds 0', async () => {
    const tensors = saelensTensors(SAE).filter(([name]) => name !== 'threshold')
    const relu = await loadSae(folder('relu', { ...CONFIG, architecture: 'standard' }, tensors))
    expect(relu).toMatchObject({ architecture: 'jumprelu', threshold: new Float32Array(5) })
    expect(arrays(relu)).toEqual({ ...arrays(SAE), threshold: new Float32Array(5) })
  })

  it('folds the norms of the decoder so that choice and reconstruction stay equal', async () => {
    const config = {
      ...CONFIG,
      architecture: 'topk',
      k: 2,
      rescale_acts_by_decoder_norm: true,
      apply_b_dec_to_input: true,
    }
    const folded = await loadSae(folder('rescaled', config, saelensTensors(TOPK)))
    expect(folded.metadata.notes).toEqual([
      'b_dec is taken off the input there: folded, b_enc := b_enc - b_dec W_enc.',
      'Norms of the decoder rows are folded: encoder times, decoder over them.',
    ])
    const x = ramp(21, 5)
    const norms = Array.from({ length: 5 }, (_, i) =>
      Math.hypot(...TOPK.W_dec.subarray(3 * i, 3 * i + 3)),
    )
    // As SAELens runs it: pre-activations times the norms choose, the chosen are divided by them again.
    const centred = x.map((value, i) => value - TOPK.b_dec[i % 3]!)
    const all = encode({ ...TOPK, k: 5 }, centred)
    const recon = Float32Array.from({ length: 21 }, (_, i) => TOPK.b_dec[i % 3]!)
    for (let t = 0; t < 7; t++) {
      const entries = Array.from({ length: all.row_start[t + 1]! - all.row_start[t]! }, (_, e) => {
        const latent = all.index[all.row_start[t]! + e]!
        return { latent, act: all.value[all.row_start[t]! + e]! }
      })
      entries.sort((a, b) => b.act * norms[b.latent]! - a.act * norms[a.latent]!)
      for (const { latent, act } of entries.slice(0, 2)) {
        for (let j = 0; j < 3; j++) recon[3 * t + j]! += act * TOPK.W_dec[3 * latent + j]!
      }
    }
    expect([...decode(folded, encode(folded, x))]).toEqual(
      Array.from(recon, (value) => expect.closeTo(value, 5)),
    )
  })

  it('folds a subtracted b_dec into b_enc so that the latents stay equal', async () => {
    const config = { ...CONFIG, apply_b_dec_to_input: true }
    const folded = await loadSae(folder('folded', config))
    expect(folded.metadata.notes).toEqual([expect.stringContaining('b_enc - b_dec W_enc')])
    const x = ramp(21, 5)
    const centred = x.map((value, i) => value - SAE.b_dec[i % 3]!)
    const [a, b] = [encode(folded, x), encode(SAE, centred)]
    expect(a.index).toEqual(b.index)
    expect([...a.value]).toEqual(Array.from(b.value, (value) => expect.closeTo(value, 5)))
  })

  it('reads a negative threshold as 0, as SAELens applies it, and half precision', async () => {
    const tensors = new Map(saelensTensors(SAE))
    tensors.set('threshold', fromFloat32(Float32Array.of(-1, 0.5, 0.5, 0.5, 0.5), [5], 'BF16'))
    const loaded = await loadSae(folder('negative', CONFIG, tensors))
    expect(loaded.threshold).toEqual(Float32Array.of(0, 0.5, 0.5, 0.5, 0.5))
  })

  const without = (name: string) => saelensTensors(SAE).filter(([key]) => key !== name)
  const refused: [string, object, [string, Tensor][], string][] = [
    ['another architecture', { ...CONFIG, architecture: 'temporal' }, [], 'has architecture "temporal"; Hooke reads jumprelu, jumprelu_transcoder'],
    ['no k', { ...CONFIG, architecture: 'topk' }, without('threshold'), 'has k none, expected a whole number above 0'],
    ['more of k than latents', { ...CONFIG, architecture: 'topk', k: 6 }, without('threshold'), 'k is 6, expected an integer from 1 to d_sae 5'],
    ["another architecture's field", { ...CONFIG, k: 6 }, [], 'unknown field "k"'],
    ["another architecture's tensor", { ...CONFIG, architecture: 'topk', k: 2 }, [], 'unknown tensor "threshold"'],
    ['no site to write', { ...CONFIG, architecture: 'jumprelu_transcoder', d_out: 3 }, [], 'cfg.json: hook_name_out is none'],
    ['a width that is not written', { ...TRANSCODER_CONFIG, d_out: 4 }, [], 'W_dec has shape [5, 3], expected [5, 4]'],
    ['no skip', { ...TRANSCODER_CONFIG, architecture: 'jumprelu_skip_transcoder' }, [], 'has no tensor W_skip'],
    ['a bias of another site', { ...TRANSCODER_CONFIG, apply_b_dec_to_input: true }, [], 'b_dec of a transcoder belongs to the site it writes'],
    ['a flat layout with a setting nobody knows', { architecture: 'jumprelu', warp: 1 }, [], 'has the unknown field "warp"'],
    ['a flat layout that names its site twice', { hook_name: 'x', hook_point: 'x' }, [], 'says hook_name twice'],
    ['latents below 0', { activation_fn_str: 'topk', activation_fn_kwargs: { k: 2, signed: true } }, [], 'keeps latents below 0'],
    ['a factor that is not there', { ...CONFIG, normalize_activations: 'expected_average_only_in' }, [], 'there is no activation_scaler.json'],
    ['a factor that may not apply', CONFIG, [...saelensTensors(SAE), ['scaling_factor', fromFloat32(ramp(5, 1), [5])]], 'does not say finetuning_scaling_factor'],
    ['a normalization at run time', { ...CONFIG, normalize_activations: 'layer_norm' }, [], 'normalize_activations "layer_norm"'],
    ['an unknown field', { ...CONFIG, rescale: 2 }, [], 'unknown field "rescale"'],
    ['an unknown reshape', { ...CONFIG, reshape_activations: 'hook_q' }, [], 'reshape_activations "hook_q"'],
    ['a single head', { ...CONFIG, metadata: { ...CONFIG.metadata, hook_head_index: 2 } }, [], 'is for a single head'],
    ['a site Hooke does not know', { ...CONFIG, metadata: { hook_name: 'blocks.3.hook_q' } }, [], 'hook_name is "blocks.3.hook_q"'],
    ['sizes that are none', { ...CONFIG, d_sae: 0 }, [], 'has d_sae 0, expected a whole number above 0'],
    ['a missing tensor', CONFIG, without('b_dec'), 'has no tensor b_dec'],
    ['an unknown tensor', CONFIG, [...saelensTensors(SAE), ['W_skip', fromFloat32(ramp(9, 1), [3, 3])]], 'unknown tensor "W_skip"'],
    ['a transposed tensor', CONFIG, [...without('W_enc'), ['W_enc', fromFloat32(SAE.W_enc, [5, 3])]], 'W_enc has shape [5, 3], expected [3, 5]'],
    ['a number that is not finite', CONFIG, [...without('b_enc'), ['b_enc', fromFloat32(Float32Array.of(0, 1, NaN, 3, 4), [5])]], 'b_enc[2] is NaN'],
  ] // biome-ignore format: a table
  for (const [name, config, tensors, message] of refused) {
    it(`with ${name} is refused`, async () => {
      const path = folder('refused', config, tensors.length > 0 ? tensors : saelensTensors(SAE))
      await expect(loadSae(path)).rejects.toThrow(message)
    })
  }

  it('that is not there is named', async () => {
    await expect(loadSae(join(root, 'nowhere'))).rejects.toBeInstanceOf(FileError)
  })

  it('is not written from arrays of other sizes', async () => {
    await expect(saveSae(join(root, 'bad'), { ...SAE, d_sae: 7 })).rejects.toThrow(
      'W_enc has 15 numbers, expected [3, 7]',
    )
  })
})

describe('a suite', () => {
  it('names widths as Gemma Scope does', () => {
    const names = [7, 1024, 2048, 16384, 32768, 65536, 131072, 524288, 1048576].map(widthName)
    expect(names).toEqual(['7', '1k', '2k', '16k', '32k', '65k', '131k', '524k', '1m'])
    expect(saeFolder('s', 'hook_embed', 2048, 32)).toBe('s/hook_embed/width_2k/l0_32')
  })

  it('lists its SAEs by layer, width and L0, and nothing else', async () => {
    const suite = join(root, 'suite')
    for (const [layer, l0] of [
      [10, 32],
      [2, 64],
      [2, 8],
    ] as const) {
      const hook = `blocks.${layer}.hook_resid_post` as const
      await saveSae(saeFolder(suite, hook, 5, l0), { ...SAE, hook_name: hook })
    }
    mkdirSync(join(suite, 'blocks.1.hook_resid_post', 'width_5', 'l0_8'), { recursive: true })
    const entries = await listSuite(suite)
    expect(entries.map(({ hook, l0 }) => `${hook} ${l0}`)).toEqual([
      'blocks.2.hook_resid_post 8',
      'blocks.2.hook_resid_post 64',
      'blocks.10.hook_resid_post 32',
    ])
    expect(entries[0]).toMatchObject({ d_in: 3, d_sae: 5 })
    expect(await loadSae(entries[0]!.path)).toMatchObject({ hook_name: 'blocks.2.hook_resid_post' })
    expect(await readMetrics(entries[0]!.path)).toBeUndefined()
    expect(await listSuite(join(root, 'nowhere'))).toEqual([])
  })

  it('with an SAE in the wrong folder is refused', async () => {
    const suite = join(root, 'mixed')
    await saveSae(saeFolder(suite, 'hook_embed', 5, 8), SAE)
    await expect(listSuite(suite)).rejects.toThrow(
      'names blocks.3.attn.hook_z, but lies in the folder of hook_embed',
    )
    await expect(listSuite(suite)).rejects.toBeInstanceOf(FormatError)
  })

  it('keeps what made it in suite.json', async () => {
    const manifest = {
      name: 's',
      model: { name: 'm', path: 'p', hash: 'h' },
      data_hash: 'd',
      config: { seed: 1 },
      version: '0',
      created: 'c',
    }
    await writeSuiteManifest(join(root, 'suite'), manifest)
    expect(await readSuiteManifest(join(root, 'suite'))).toEqual(manifest)
    writeFileSync(join(root, 'suite', 'suite.json'), '{"name": "s"}')
    await expect(readSuiteManifest(join(root, 'suite'))).rejects.toThrow('has no "model"')
  })
})

describe("Gemma Scope's layout", () => {
  it('takes the sites from the path', () => {
    const paths = {
      '/hub/gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82/params.npz': {
        hook_name: 'blocks.12.hook_resid_post',
      },
      'x-mlp/layer_0/width_1m/average_l0_7/params.npz': { hook_name: 'blocks.0.hook_mlp_out' },
      'C:\\gemma-scope-9b-pt-att\\layer_31\\params.npz': { hook_name: 'blocks.31.attn.hook_z' },
      'res/layer_3/params.npz': { hook_name: 'blocks.3.hook_resid_post' },
      'gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_54/params.npz': {
        hook_name: 'blocks.3.ln2.hook_normalized',
        hook_name_out: 'blocks.3.hook_mlp_out',
      },
    }
    for (const [path, sites] of Object.entries(paths)) expect(gemmaScopeSites(path)).toEqual(sites)
    for (const path of ['some/layer_3/params.npz', 'interes/layer_3/x.npz', 'a-res/params.npz']) {
      expect(() => gemmaScopeSites(path)).toThrow('Give the hook')
    }
  })

  it('is written into the folders of its repositories and loads back equal', async () => {
    const path = await saveGemmaScope(join(root, 'scope'), SAE, 31.6)
    expect(path).toBe(join(root, 'scope-att/layer_3/width_5/average_l0_32/params.npz'))
    const { sae: loaded } = await loadPublishedSae(path)
    expect(arrays(loaded)).toEqual(arrays(SAE))
    expect(loaded.hook_name).toBe(SAE.hook_name)
    const again = await saveGemmaScope(join(root, 'scope-att'), loaded, 31.6)
    expect(again).toBe(path)
  })

  it('holds a transcoder of the MLP in the same five arrays', async () => {
    const sae: Sae = { ...asTranscoder(SAE), hook_name: 'blocks.3.ln2.hook_normalized' }
    const path = await saveGemmaScope(join(root, 'scope'), sae, 7)
    expect(path).toBe(join(root, 'scope-transcoders/layer_3/width_5/average_l0_7/params.npz'))
    const { sae: loaded } = await loadPublishedSae(path)
    expect(loaded).toMatchObject({ hook_name: sae.hook_name, transcoder: sae.transcoder })
    expect(arrays(loaded)).toEqual(arrays(sae))
    const plain = loadPublishedSae(path, { sites: { hook_name: 'blocks.3.hook_mlp_out' } })
    await expect(plain).rejects.toThrow('W_enc has shape [3, 5], expected [2, 5]')
  })

  it('has no place for other sites, TopK or a skip', async () => {
    const mlp: Sae = { ...asTranscoder(SAE), hook_name: 'blocks.3.ln2.hook_normalized' }
    const W_skip = ramp(6, 6)
    const refused: [Sae, string][] = [
      [{ ...SAE, hook_name: 'blocks.3.hook_resid_mid' }, 'no name for blocks.3.hook_resid_mid'],
      [asTranscoder(SAE), 'no name for blocks.3.hook_resid_mid to blocks.3.hook_mlp_out'],
      [TOPK, 'no place for the architecture topk of the SAE at blocks.3.attn.hook_z'],
      [{ ...mlp, transcoder: { ...mlp.transcoder!, W_skip } }, 'no place for W_skip'],
    ]
    for (const [sae, message] of refused) {
      await expect(saveGemmaScope(root, sae, 3)).rejects.toThrow(message)
    }
  })
})
