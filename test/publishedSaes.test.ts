/** SAEs that others published, by the names people use for them, beside the model they belong to. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { openFile } from '../src/files/index.ts'
import { fromFloat32, parseSafetensors, toFloat32, writeSafetensors } from '../src/formats/index.ts'
import { type Model, openModel, openRandom, padBatch, readMlpNorm } from '../src/model/index.ts'
import { listSuite, loadPublishedSae, loadSae, saveGemmaScope } from '../src/sae/disk.ts'
import { openRunner, type Sae } from '../src/sae/index.ts'
import { hooke } from './commandLine.ts'
import { type HubServer, openHubServer } from './hubServer.ts'

const MODEL = 'thimble-5m'
const FIXTURES = resolve(import.meta.dirname, 'fixtures/saes')
const D = 256
const D_SAE = 300

let root: string
let model: Model
let server: HubServer
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'hooke-published-'))
  model = await openModel(MODEL)
})
afterAll(async () => {
  await model.close()
  rmSync(root, { recursive: true })
})
beforeEach(async () => {
  server = await openHubServer()
  vi.stubEnv('HF_ENDPOINT', server.endpoint)
  vi.stubEnv('HF_HOME', mkdtempSync(join(root, 'hub-')))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await server.close()
})

const noise = (n: number, seed: number, scale = 1): Float32Array => {
  const random = openRandom(seed)
  return Float32Array.from({ length: n }, () => (2 * random() - 1) * scale)
}

function randomSae(seed: number): Sae {
  return {
    architecture: 'jumprelu',
    hook_name: 'blocks.2.hook_resid_post',
    d_in: D,
    d_sae: D_SAE,
    W_enc: noise(D * D_SAE, seed, 0.2),
    b_enc: noise(D_SAE, seed + 1),
    W_dec: noise(D_SAE * D, seed + 2, 0.1),
    b_dec: noise(D, seed + 3),
    threshold: noise(D_SAE, seed + 4).map((value) => 2 + value),
    metadata: {},
  }
}

/** A params.npz with this L0 in its name, and its bytes. */
async function published(seed: number, l0: number): Promise<{ path: string; bytes: Buffer }> {
  const path = await saveGemmaScope(join(root, `made-${seed}`), randomSae(seed), l0)
  return { path, bytes: readFileSync(path) }
}

const importing = (out: string, ...names: string[]) =>
  hooke('import', ...names, '--model', MODEL, '--out', join(root, out))

it('by a short name: only that SAE is fetched, and what is assumed is printed', async () => {
  const { bytes } = await published(1, 71)
  server.add('google/gemma-scope-2b-pt-res', {
    'layer_2/width_16k/average_l0_71/params.npz': bytes,
    'layer_2/width_16k/average_l0_140/params.npz': 'another',
    'README.md': 'words',
  })
  const { code, message, printed } = await importing(
    'short',
    'gemma-scope-2b-pt-res/layer_2/width_16k/average_l0_71',
  )
  expect({ code, message }).toEqual({ code: 0, message: '' })
  expect(printed).toContain('gemma-scope, blocks.2.hook_resid_post, 256 x 300, L0 71')
  expect(printed).toContain('It reads blocks.2.hook_resid_post (from the path).')
  expect(printed).toContain('b_dec is added after decoding only')
  expect(printed).toContain('It was trained on google/gemma-2-2b.')
  expect(server.paths('hub', 'GET').concat(server.paths('storage', 'GET')).join()).not.toContain(
    'average_l0_140/params',
  )
  const [entry] = await listSuite(join(root, 'short'))
  const { metadata, ...kept } = await loadSae(entry!.path)
  const { metadata: _, ...made } = randomSae(1)
  expect(kept).toEqual(made)
  expect(metadata).toMatchObject({
    dialect: 'gemma-scope',
    published_l0: 71,
    release: 'gemma-scope-2b-pt-res/layer_2/width_16k/average_l0_71',
    source: expect.stringMatching(
      /^google\/gemma-scope-2b-pt-res@[0-9a-f]{40}\/layer_2\/width_16k\/average_l0_71$/,
    ),
  })
})

it('by a canonical name that the table lacks: the L0 nearest to 100 in the listing', async () => {
  const { bytes } = await published(2, 88)
  const at = (l0: number) => `layer_2/width_16k/average_l0_${l0}/params.npz`
  server.add('google/gemma-scope-9b-pt-mlp', {
    [at(44)]: 'x',
    [at(88)]: bytes,
    [at(113)]: 'x',
    [at(250)]: 'x',
  })
  const { code, message, printed } = await importing(
    'canonical',
    'gemma-scope-9b-pt-mlp-canonical/layer_2/width_16k/canonical',
  )
  expect({ code, message }).toEqual({ code: 0, message: '' })
  expect(printed).toContain('blocks.2.hook_mlp_out, 256 x 300, L0 88')
})

it('by owner, name and folder on the Hub, at a revision', async () => {
  const { bytes } = await published(3, 9)
  const repository = server.add('ada/saes-res', {
    'x/layer_2/average_l0_9/params.npz': bytes,
    'x/big.bin': 'no',
  })
  const [commit] = repository.commits.keys()
  server.commit(repository, { 'x/layer_2/average_l0_9/params.npz': 'spoilt' })
  const name = `ada/saes-res/x/layer_2/average_l0_9@${commit}`
  expect(await importing('revision', name)).toMatchObject({
    code: 0,
    message: '',
    printed: expect.stringContaining('L0 9'),
  })
  expect(await importing('revision', 'ada/saes-res/x/layer_2/average_l0_9')).toMatchObject({
    code: 1,
    message: expect.stringContaining('params.npz'),
  })
  expect(await importing('revision', 'ada/saes-res/y')).toMatchObject({
    code: 1,
    message: expect.stringContaining('no such file or folder at that revision'),
  })
})

it('is refused by a name that the release does not have, or that is nothing', async () => {
  expect(
    await importing('none', 'gemma-scope-2b-pt-res/layer_30/width_16k/canonical'),
  ).toMatchObject({
    code: 1,
    message: expect.stringContaining('has layers 0 to 25 of width 16k'),
  })
  expect(await importing('none', './nowhere')).toMatchObject({
    code: 1,
    message: expect.stringContaining('there is no such file or folder'),
  })
  expect(server.seen).toEqual([])
})

it('for another model is refused by its width', async () => {
  const other = join(FIXTURES, 'saelens-standard/sae')
  expect(await importing('other', other, '--l0', '3')).toMatchObject({
    code: 1,
    message: expect.stringContaining(
      'Was it trained on another model (its metadata names gpt2-small)?',
    ),
  })
})

it("of Gemma Scope 2 behind a norm's gain: the model's own gain is folded in", async () => {
  const folder = join(root, 'transcoder')
  mkdirSync(folder)
  const [w_enc, skip] = [noise(D * D_SAE, 5), noise(D * D, 6)]
  writeFileSync(
    join(folder, 'params.safetensors'),
    writeSafetensors([
      ['w_enc', fromFloat32(w_enc, [D, D_SAE])],
      ['w_dec', fromFloat32(noise(D_SAE * D, 7), [D_SAE, D])],
      ['b_enc', fromFloat32(noise(D_SAE, 8), [D_SAE])],
      ['b_dec', fromFloat32(noise(D, 9), [D])],
      ['threshold', fromFloat32(new Float32Array(D_SAE).fill(1), [D_SAE])],
      ['affine_skip_connection', fromFloat32(skip, [D, D])],
    ]),
  )
  const points = {
    hf_hook_point_in: 'model.layers.3.pre_feedforward_layernorm.output',
    hf_hook_point_out: 'model.layers.3.post_feedforward_layernorm.output',
  }
  const config = {
    ...points,
    width: D_SAE,
    model_name: 'some/model',
    architecture: 'jump_relu',
    l0: 20,
    affine_connection: true,
    type: 'transcoder',
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const { code, message, printed } = await importing('gain', folder)
  expect({ code, message }).toEqual({ code: 0, message: '' })
  expect(printed).toContain("the model's gain is folded into W_enc and W_skip")
  const [entry] = await listSuite(join(root, 'gain'))
  const sae = await loadSae(entry!.path)
  // Gemma stores w and applies 1 + w; read here from the checkpoint itself.
  const file = await openFile(resolve(import.meta.dirname, '../models', MODEL, 'model.safetensors'))
  const checkpoint = await parseSafetensors(file)
  const name = [...checkpoint.tensors.keys()].find((tensor) =>
    tensor.endsWith('layers.3.pre_feedforward_layernorm.weight'),
  )
  const w = toFloat32(await checkpoint.read(name!))
  await file.close()
  expect([...(await readMlpNorm(MODEL, 3)).gain]).toEqual(
    Array.from(w, (value) => Math.fround(1 + value)),
  )
  for (const i of [0, 17, D - 1]) {
    const gain = Math.fround(1 + w[i]!)
    expect(sae.W_enc[i * D_SAE + 4]).toBe(Math.fround(w_enc[i * D_SAE + 4]! * gain))
    expect(sae.transcoder!.W_skip![i * D + 9]).toBe(Math.fround(skip[i * D + 9]! * gain))
  }
  await expect(readMlpNorm(MODEL, 6)).rejects.toThrow('block 6 has no norm before its MLP')
})

it("of Gemma Scope's layout has the same active latents on the model's activations as plain sums in f64 give", async () => {
  const { path } = await published(11, 71)
  const { sae } = await loadPublishedSae(path)
  const text =
    'The sea was calm that morning, and the boats lay still in the harbour while the baker lit the oven.'
  const ids = model.tokenizer!.tokenize(text)
  const { acts } = await model.forward(padBatch([ids]), { hooks: [sae.hook_name] })
  const x = acts.get(sae.hook_name)!.data
  const runner = await openRunner(sae)
  const { row_start, index } = await runner.encode(x)
  await runner.close()
  let closest = Number.POSITIVE_INFINITY
  for (let token = 0; token < ids.length; token++) {
    const active: number[] = []
    for (let latent = 0; latent < D_SAE; latent++) {
      let pre_act = sae.b_enc[latent]!
      for (let i = 0; i < D; i++) pre_act += x[token * D + i]! * sae.W_enc[i * D_SAE + latent]!
      closest = Math.min(closest, Math.abs(pre_act - sae.threshold[latent]!))
      if (pre_act > sae.threshold[latent]!) active.push(latent)
    }
    expect([...index.subarray(row_start[token], row_start[token + 1])]).toEqual(active)
    expect(active.length).toBeGreaterThan(0)
  }
  // No latent is so close to its threshold that rounding to float32 could decide.
  expect(closest).toBeGreaterThan(1e-5)
})
