import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadGemmaScope } from './disk.ts'
import {
  checkFits,
  decode,
  encode,
  openRunner,
  parseHookName,
  type Sae,
  type SparseActs,
} from './index.ts'

/** Numbers of standard deviation about 1, from a seed. */
function noise(length: number, seed: number, scale = 1): Float32Array {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * 1.7 * scale
  })
}

function randomSae(d_in: number, d_sae: number, threshold: number): Sae {
  return {
    architecture: 'jumprelu',
    hook_name: 'blocks.3.hook_resid_post',
    d_in,
    d_sae,
    W_enc: noise(d_in * d_sae, 1),
    b_enc: noise(d_sae, 2, 0.3),
    W_dec: noise(d_sae * d_in, 3),
    b_dec: noise(d_in, 4),
    threshold: noise(d_sae, 5, 0.2).map((value) => threshold + Math.abs(value)),
    metadata: {},
  }
}

/** [n, d_sae] */
function toDense(acts: SparseActs): number[][] {
  return Array.from({ length: acts.n }, (_, row) => {
    const dense = new Array<number>(acts.d_sae).fill(0)
    for (let entry = acts.row_start[row]!; entry < acts.row_start[row + 1]!; entry++) {
      dense[acts.index[entry]!] = acts.value[entry]!
    }
    return dense
  })
}

describe('JumpReLU', () => {
  const sae: Sae = {
    ...randomSae(2, 3, 0),
    W_enc: Float32Array.of(1, 0, 2, 0, 1, -1),
    b_enc: Float32Array.of(0, 0.5, 0),
    W_dec: Float32Array.of(1, 0, 0, 1, 0.6, 0.8),
    b_dec: Float32Array.of(0.25, -1),
    threshold: Float32Array.of(1, 0.5, 0),
  }

  it('keeps a pre-activation that is above its threshold and drops one that equals it', () => {
    // pre_acts of [1, 0]: 1 (= its threshold), 0.5 (= its threshold), 2; of [2, 3]: 2, 3.5, 1
    const acts = encode(sae, Float32Array.of(1, 0, 2, 3))
    expect(toDense(acts)).toEqual([
      [0, 0, 2],
      [2, 3.5, 1],
    ])
    expect(acts.row_start).toEqual(Int32Array.of(0, 1, 4))
  })

  it('decodes active latents and adds the bias', () => {
    const recon = decode(sae, encode(sae, Float32Array.of(1, 0, 2, 3)))
    expect([...recon]).toEqual(
      Array.from(Float32Array.of(1.45, 0.6, 2.85, 3.3), (value) => expect.closeTo(value, 5)),
    )
  })

  it('refuses activations of another width, and latents of another SAE', () => {
    expect(() => encode(sae, new Float32Array(5))).toThrow(
      'encode: x has 5 numbers, expected a multiple of d_in 2 (SAE at blocks.3.hook_resid_post). Was this SAE trained on another model?',
    )
    expect(() => decode(randomSae(2, 5, 0), encode(sae, new Float32Array(2)))).toThrow(
      'decode: acts have 3 latents, expected d_sae 5',
    )
  })

  it('encodes and decodes as plain Python does', async () => {
    const folder = resolve(import.meta.dirname, '../../test/fixtures/gemma-scope-npz')
    const expected = JSON.parse(readFileSync(resolve(folder, 'expected.json'), 'utf8')) as {
      x: number[][]
      acts: number[][]
      recon: number[][]
    }
    for (const file of ['stored.npz', 'deflated.npz']) {
      const loaded = await loadGemmaScope(resolve(folder, file), 'blocks.1.hook_mlp_out')
      const acts = encode(loaded, Float32Array.from(expected.x.flat()))
      expect(toDense(acts).flat()).toEqual(
        expected.acts.flat().map((value) => expect.closeTo(value, 5)),
      )
      expect([...decode(loaded, acts)]).toEqual(
        expected.recon.flat().map((value) => expect.closeTo(value, 5)),
      )
    }
  })
})

describe('the runner', () => {
  it('equals the slow twin, over more rows than one chunk', async () => {
    for (const [d_in, d_sae, n, threshold] of [
      [7, 13, 5, 1],
      [3, 5, 1500, 0.5],
      [11, 29, 0, 1],
      [5, 3, 17, 100],
    ] as const) {
      // biome-ignore format: sizes
      const sae = randomSae(d_in, d_sae, threshold)
      const x = noise(n * d_in, 9)
      const runner = await openRunner(sae, { threads: 1 })
      const [fast, slow] = [await runner.encode(x), encode(sae, x)]
      expect(fast.row_start).toEqual(slow.row_start)
      expect(fast.index).toEqual(slow.index)
      expect([...fast.value]).toEqual(Array.from(slow.value, (value) => expect.closeTo(value, 4)))
      expect([...runner.decode(fast)]).toEqual(
        Array.from(decode(sae, slow), (value) => expect.closeTo(value, 3)),
      )
      await runner.close()
    }
  })

  it('refuses activations of another width', async () => {
    const runner = await openRunner(randomSae(3, 5, 1), { threads: 1 })
    await expect(runner.encode(new Float32Array(4))).rejects.toThrow(RangeError)
    await runner.close()
  })
})

describe('checkFits', () => {
  const model = {
    name: 'thimble-5m',
    hooks: ['blocks.0.hook_resid_post', 'blocks.3.hook_resid_post'] as const,
    width: () => 256,
  }

  it('refuses an SAE of another width or for a site the model lacks', () => {
    const sae = { ...randomSae(7, 13, 1), metadata: { model_name: 'gemma-2-2b' } }
    expect(() => checkFits(sae, model)).toThrow(
      'The SAE at blocks.3.hook_resid_post has d_in 7, but model thimble-5m has width 256 there. Was it trained on another model (its metadata names gemma-2-2b)?',
    )
    expect(() => checkFits({ ...sae, hook_name: 'blocks.25.hook_resid_post' }, model)).toThrow(
      'The SAE reads blocks.25.hook_resid_post, which model thimble-5m does not have (2 sites, the last blocks.3.hook_resid_post)',
    )
    expect(() => checkFits(randomSae(256, 3, 1), model)).not.toThrow()
  })
})

describe('parseHookName', () => {
  it('knows the sites of a block and those outside, and nothing else', () => {
    for (const name of [
      'hook_embed',
      'blocks.0.attn.hook_z',
      'blocks.41.hook_resid_mid',
      'ln_final.hook_normalized',
    ]) {
      expect(parseHookName(name, 'cfg.json')).toBe(name)
    }
    for (const name of [
      'blocks.03.hook_z',
      'blocks.1.hook_embed',
      'blocks.x.hook_mlp_out',
      'hook_resid_post',
      '',
      7,
    ]) {
      expect(() => parseHookName(name, 'cfg.json')).toThrow(
        `cfg.json: hook_name is ${JSON.stringify(name)}`,
      )
    }
  })
})
