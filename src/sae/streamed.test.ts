import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSparseNpz } from '../../test/sparseNpz.ts'
import { openBytes } from '../formats/index.ts'
import { openRandom } from '../model/index.ts'
import { loadPublishedSae, openPublishedSae, saveSae } from './disk.ts'
import { decode, encode, type SparseActs } from './index.ts'
import { openStreamed } from './streamed.ts'

const FIXTURES = resolve(import.meta.dirname, '../../test/fixtures/saes')
const RES = 'gemma-scope-res/gemma-scope-2b-pt-res/layer_3/width_11/average_l0_3/params.npz'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hooke-streamed-'))
})
afterAll(() => rmSync(root, { recursive: true }))

const noise = (n: number, seed: number): Float32Array => {
  const random = openRandom(seed)
  return Float32Array.from({ length: n }, () => 2 * random() - 1)
}
const close = (values: Float32Array) => Array.from(values, (value) => expect.closeTo(value, 4))

describe('an SAE that stays on disk', () => {
  it.each([
    RES,
    'gemma-scope-transcoder/gemma-scope-2b-pt-transcoders/layer_4/width_11/average_l0_5/params.npz',
    'gemma-scope-2-att/attn_out/layer_5_width_16k_l0_small',
    'gemma-scope-2-res/resid_post/layer_5_width_16k_l0_small',
  ])('does what the loaded one does, in blocks of a few latents: %s', async (path) => {
    const { sae } = await loadPublishedSae(join(FIXTURES, path))
    const x = noise(7 * sae.d_in, 5)
    const acts = encode(sae, x)
    for (const memory_bytes of [1, 300, 2 ** 20]) {
      const streamed = await openPublishedSae(join(FIXTURES, path), { memory_bytes, threads: 1 })
      const there = await streamed.encode(x)
      expect(there.row_start).toEqual(acts.row_start)
      expect(there.index).toEqual(acts.index)
      expect([...there.value]).toEqual(close(acts.value))
      expect([...(await streamed.decode(there))]).toEqual(close(decode(sae, acts)))
      await streamed.close()
    }
  })

  it("may be one that Hooke trained, in SAELens's layout", async () => {
    const { sae } = await loadPublishedSae(join(FIXTURES, RES))
    const folder = join(root, 'suite')
    await saveSae(folder, sae)
    const streamed = await openPublishedSae(folder, { memory_bytes: 300, threads: 1 })
    const x = noise(3 * sae.d_in, 9)
    expect((await streamed.encode(x)).index).toEqual(encode(sae, x).index)
    await expect(streamed.encode(x.subarray(1))).rejects.toThrow(
      'x has 17 numbers, expected a multiple of d_in 6',
    )
    await streamed.close()
  })

  it.each([
    ['gemma-scope-embedding/gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6/params.npz', 'is scaled to the embedding'],
    ['gemma-scope-2-transcoder-affine/transcoder_all/layer_5_width_16k_l0_small_affine', "reads behind a norm's gain"],
    ['saelens-standard/sae', 'is not JumpReLU on raw activations'],
    ['saelens-skip-transcoder/sae', 'has a skip'],
    ['llama-scope-res/Llama3_1-8B-Base-L15R-8x', 'matrices lie turned or need folding'],
  ])('is refused where it must be loaded whole: %s', async (path, message) => {
    await expect(openPublishedSae(join(FIXTURES, path))).rejects.toThrow(`${message}, so it cannot be used from its file. Load it whole.`)
  }) // biome-ignore format: a table

  it('is refused where its matrices are packed', async () => {
    const deflated = resolve(FIXTURES, '../gemma-scope-npz/deflated.npz')
    const sites = { hook_name: 'blocks.1.hook_mlp_out' } as const
    await expect(openPublishedSae(deflated, { sites })).rejects.toThrow(
      'W_enc is packed or lies column by column',
    )
  })

  it('asks for no more at a time than it may hold', async () => {
    const [d_in, d_sae] = [5, 40_009]
    const values = noise(2 * d_in * d_sae, 2)
    const inner = openBytes('weights', new Uint8Array(values.buffer))
    let held = 0
    let most = 0
    const source = {
      ...inner,
      async read(offset: number, length: number) {
        held += length
        most = Math.max(most, held)
        const bytes = await inner.read(offset, length)
        held -= length
        return bytes
      },
    }
    const memory_bytes = 120_000
    const place = (shape: number[], offset: number) => ({ dtype: 'F32' as const, shape, offset })
    const streamed = await openStreamed(
      {
        hook_name: 'hook_embed',
        d_in,
        d_sae,
        b_enc: new Float32Array(d_sae),
        b_dec: new Float32Array(d_in),
        threshold: new Float32Array(d_sae).fill(1.5),
        metadata: {},
        source,
        W_enc: place([d_in, d_sae], 0),
        W_dec: place([d_sae, d_in], 4 * d_in * d_sae),
      },
      { memory_bytes, threads: 1 },
    )
    const acts = await streamed.encode(noise(3 * d_in, 3))
    expect(acts.index.length).toBeGreaterThan(100)
    await streamed.decode(acts)
    await streamed.close()
    expect(most).toBeLessThanOrEqual(memory_bytes)
    expect(most).toBeGreaterThan(memory_bytes / 10)
  })
})

describe('a params.npz of a million latents', () => {
  const D_SAE = 2 ** 20
  const at = (name: string) => {
    const folder = join(root, name, 'gemma-scope-2b-pt-res/layer_5/width_1m/average_l0_18')
    mkdirSync(folder, { recursive: true })
    return join(folder, 'params.npz')
  }
  it('gives every active latent, in blocks that fit a small memory', async () => {
    const d_in = 3
    const path = at('narrow')
    const [W_enc, W_dec] = [noise(d_in * D_SAE, 1), noise(d_in * D_SAE, 2)]
    const [b_enc, threshold] = [noise(D_SAE, 3), new Float32Array(D_SAE).fill(2.5)]
    const shapes = { W_enc: [d_in, D_SAE], W_dec: [D_SAE, d_in] }
    const npz = await makeSparseNpz(path, {
      ...shapes,
      b_enc,
      b_dec: new Float32Array(d_in),
      threshold,
    })
    await npz.write('W_enc', 0, W_enc)
    await npz.write('W_dec', 0, W_dec)
    await npz.close()
    const x = noise(2 * d_in, 4)
    const expected: SparseActs = encode(
      {
        architecture: 'jumprelu',
        hook_name: 'blocks.5.hook_resid_post',
        d_in,
        d_sae: D_SAE,
        W_enc,
        b_enc,
        W_dec,
        b_dec: new Float32Array(d_in),
        threshold,
        metadata: {},
      },
      x,
    )
    expect(expected.index.length).toBeGreaterThan(10)
    const streamed = await openPublishedSae(path, { memory_bytes: 2 ** 20, threads: 1 })
    const acts = await streamed.encode(x)
    expect(acts.index).toEqual(expected.index)
    expect(acts.row_start).toEqual(expected.row_start)
    expect([...acts.value]).toEqual(close(expected.value))
    await streamed.close()
  })

  it('is read beyond 4 GiB', async () => {
    const d_in = 1100
    const path = at('wide')
    const vectors = { b_enc: new Float32Array(D_SAE), threshold: new Float32Array(D_SAE) }
    const shapes = { W_enc: [d_in, D_SAE], W_dec: [D_SAE, d_in] }
    const npz = await makeSparseNpz(path, { ...shapes, ...vectors, b_dec: noise(d_in, 0) })
    expect(npz.size_bytes).toBeGreaterThan(2 * 2 ** 32)
    const rows = [7, 500_003, D_SAE - 1]
    for (const latent of rows) await npz.write('W_dec', latent * d_in, noise(d_in, latent))
    await npz.close()
    const streamed = await openPublishedSae(path, { memory_bytes: 2 ** 16, threads: 1 })
    const recon = await streamed.decode({
      n: 2,
      d_sae: D_SAE,
      row_start: Int32Array.of(0, 2, 3),
      index: Int32Array.of(7, D_SAE - 1, 500_003),
      value: Float32Array.of(2, 3, 0.5),
    })
    await streamed.close()
    const expected = new Float32Array(2 * d_in)
    const [b, first, middle, last] = [0, 7, 500_003, D_SAE - 1].map((seed) => noise(d_in, seed))
    for (let j = 0; j < d_in; j++) {
      expected[j] = b![j]! + 2 * first![j]! + 3 * last![j]!
      expected[d_in + j] = b![j]! + 0.5 * middle![j]!
    }
    expect([...recon]).toEqual(close(expected))
  })
})
