import { afterAll, beforeAll, expect, it } from 'vitest'
import { D_MODEL, openNoise, randomTopk } from '../../test/handmadeSaes.ts'
import { type HookName, type Model, padBatch } from '../model/index.ts'
import { encode, openRunner, type SaeRunner } from '../sae/index.ts'
import { depthOf } from './depth.ts'
import { effectDirections, NO_TARGET } from './directEffect.ts'
import { microscope } from './microscope.ts'
import { Workbench } from './workbench.ts'

const LAST: HookName = 'blocks.5.hook_resid_post'
const TEXT = 'The lamp stood on the rock, and the sea was dark.'
const d_sae = 19
const d = D_MODEL
const SAE = randomTopk(LAST, { d_sae, k: 4, noise: openNoise(4) })

let model: Model
let runner: SaeRunner
const bench = new Workbench({ threads: 1 })
beforeAll(async () => {
  model = await bench.model('thimble-5m')
  runner = await openRunner(SAE, { threads: 1 })
})
afterAll(async () => {
  await runner.close()
  await bench.close()
})

/** A logit before the softcap, less the mean over the vocabulary. */
function centred(logits: Float32Array, token: number, id: number): number {
  const { d_vocab, final_softcap: cap } = model.config
  const raw = logits
    .subarray(token * d_vocab, (token + 1) * d_vocab)
    .map((logit) => cap * Math.atanh(logit / cap))
  return raw[id]! - raw.reduce((sum, logit) => sum + logit / d_vocab, 0)
}

it('at the last residual stream the effects of latents, b_dec and error add up to the logit', async () => {
  const sites = [{ id: 'a', hook: LAST, open: async () => ({ runner }) }]
  const ids = model.tokenizer!.tokenize(TEXT)
  const pass = await model.forward(padBatch([ids]), { hooks: [LAST], logits: true })
  const x = pass.acts.get(LAST)!.data
  const acts = encode(SAE, x)
  for (const rank of ['predicted', 'actual'] as const) {
    const view = await microscope(model, sites, { text: TEXT, top_k: 4, max_density: 1, rank })
    const targets = Int32Array.from(ids, (_, t) => {
      if (rank === 'actual') return ids[t + 1] ?? NO_TARGET
      const row = pass.logits!.subarray(t * 4096, (t + 1) * 4096)
      return row.indexOf(Math.max(...row))
    })
    const directions = await effectDirections(model, x, targets)
    for (let t = 1; t < ids.length - 1; t++) {
      let rest = 0 // of b_dec and the error: what is not a latent's
      for (let k = 0; k < d; k++) {
        let latents = 0
        for (let e = acts.row_start[t]!; e < acts.row_start[t + 1]!; e++)
          latents += acts.value[e]! * SAE.W_dec[acts.index[e]! * d + k]!
        rest += (x[t * d + k]! - latents) * directions[t * d + k]!
      }
      const cell = view.rows[0]!.cells[t]!
      expect(cell).toHaveLength(4)
      const sum = cell.reduce((total, { effect }) => total + effect!, rest)
      expect(sum).toBeCloseTo(centred(pass.logits!, t, targets[t]!), 2)
      const sizes = cell.map(({ effect }) => Math.abs(effect!))
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
    }
    // Nothing follows the last token: no latent has an effect there, not one of 0.
    expect(view.rows[0]!.cells.at(-1)).toHaveLength(rank === 'actual' ? 0 : 4)
  }
})

it('sites before the attention’s output projection have no direct effects, and one line says why', async () => {
  const hook: HookName = 'blocks.2.attn.hook_z'
  const z = await openRunner({ ...SAE, hook_name: hook }, { threads: 1 })
  const sites = ['z', 'narrower z'].map((id) => ({ id, hook, open: async () => ({ runner: z }) }))
  const options = { text: TEXT, top_k: 3, max_density: 1 }
  const ranked = await microscope(model, sites, { ...options, rank: 'predicted' })
  expect(ranked.rows[0]!.cells.every((cell) => cell.length === 0)).toBe(true)
  expect(ranked.left_out.join()).toContain(`effects at 2 sites: ${hook} lies before`)
  const active = await microscope(model, sites, options)
  expect(active.rows[0]!.cells[4]).toHaveLength(3)
  await z.close()
})

it('reads special tokens only where asked to', async () => {
  const sites = [{ id: 'a', hook: LAST, open: async () => ({ runner }) }]
  const options = { text: TEXT, top_k: 3, max_density: 1 }
  const without = await microscope(model, sites, options)
  expect(without.rows[0]!.cells[0]).toEqual([])
  const isSpecial = (words: string) => words.includes('special')
  expect(without.left_out.filter(isSpecial)).toEqual(['1 special token: shown, not read'])
  const read = await microscope(model, sites, { ...options, special: true })
  expect(read.rows[0]!.cells[0]).toHaveLength(3)
  expect(read.left_out.filter(isSpecial)).toEqual([])
})

it('the depth profile ends at what the model predicts, and its loss', async () => {
  const view = await microscope(model, [], { text: TEXT, top_k: 3, max_density: 1 })
  const token = 7
  const { layers } = await depthOf(model, { text: TEXT, token })
  expect(layers.map(({ layer }) => layer)).toEqual([undefined, 0, 1, 2, 3, 4, 5])
  const last = layers.at(-1)!
  expect(last.predictions.map(({ piece }) => piece)).toEqual(
    view.predictions[token]!.map(({ piece }) => piece),
  )
  expect(last.final_p).toBeCloseTo(view.predictions[token]![0]!.p, 4)
  expect(last.loss_nats).toBeCloseTo(view.token_loss[token + 1]!, 4)

  const ids = model.tokenizer!.tokenize(TEXT)
  const hook: HookName = 'blocks.2.hook_resid_post'
  const from = (await model.forward(padBatch([ids]), { hooks: [hook] })).acts.get(hook)!
  const row = from.data.subarray(token * d, (token + 1) * d)
  const U = await model.unembedding()
  const rms = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / d + 1e-6)
  const logits = Array.from({ length: 4096 }, (_, v) => {
    let z = 0
    for (let k = 0; k < d; k++) z += (row[k]! / rms) * U[v * d + k]!
    return 30 * Math.tanh(z / 30)
  })
  const log_sum = Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0))
  expect(layers[3]!.loss_nats).toBeCloseTo(log_sum - logits[ids[token + 1]!]!, 3)

  const end = await depthOf(model, { text: TEXT, token: ids.length - 1 })
  expect(end.layers.at(-1)!.loss_nats).toBeUndefined()
  await expect(depthOf(model, { text: TEXT, token: ids.length })).rejects.toThrow('tokens 0 to')
})
