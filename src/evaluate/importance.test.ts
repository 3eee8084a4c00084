import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HookName, type Model, openModel, padBatch } from '../model/index.ts'
import { openRunner, type Sae } from '../sae/index.ts'
import { importance } from './index.ts'

let model: Model
let ids: Int32Array
beforeAll(async () => {
  model = await openModel('thimble-5m', { threads: 1 })
  ids = model.tokenizer!.tokenize('The old keeper counted the ships that passed.')
})
afterAll(() => model.close())

/** 67 latents of which about half are active on any token: more than one pass holds. */
function saeAt(hook_name: HookName): Sae {
  const d_in = model.width(hook_name)
  const d_sae = 67
  let state = 7
  const noise = (length: number, scale: number) =>
    Float32Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state / 2 ** 31 - 1) * scale
    })
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: noise(d_in * d_sae, d_in ** -0.5),
    b_enc: noise(d_sae, 0.1),
    W_dec: noise(d_sae * d_in, (3 / d_in) ** 0.5),
    b_dec: noise(d_in, 0.1),
    threshold: new Float32Array(d_sae),
    metadata: {},
  }
}

/** y from a gradient at the site: `f_i (W_dec_i . g)`. */
async function weigh(sae: Sae, g: ArrayLike<number>): Promise<number[]> {
  const runner = await openRunner(sae, { threads: 1 })
  const { acts } = await model.forward(padBatch([ids.slice(0, -1)]), { hooks: [sae.hook_name] })
  const { index, value } = await runner.encode(acts.get(sae.hook_name)!.data.slice(-sae.d_in))
  await runner.close()
  return Array.from(index, (latent, i) => {
    let product = 0
    for (let k = 0; k < sae.d_in; k++) product += sae.W_dec[latent * sae.d_in + k]! * g[k]!
    return value[i]! * product
  })
}

async function measure(saes: Sae[]): Promise<Float64Array[]> {
  const runners = await Promise.all(saes.map((sae) => openRunner(sae, { threads: 1 })))
  const found = await importance(model, runners, ids)
  await Promise.all(runners.map((runner) => runner.close()))
  return runners.map((runner) => found.get(runner)!)
}

/** The worst difference, as a share of the largest. */
function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  const largest = Math.max(...Array.from(b, Math.abs))
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!))) / largest
}

const LAST: HookName = 'blocks.5.hook_resid_post'
const EARLY: HookName = 'blocks.1.attn.hook_z'

describe('importance of active latents', () => {
  it('is the exact gradient after the last block, through final norm and softcap', async () => {
    const { d_model, d_vocab, norm_eps, final_softcap: cap } = model.config
    const U = await model.unembedding()
    const { acts } = await model.forward(padBatch([ids.slice(0, -1)]), { hooks: [LAST] })
    const x = Float64Array.from(acts.get(LAST)!.data.slice(-d_model))
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / d_model + norm_eps)
    const n = x.map((value) => value / rms)
    const g_n = new Float64Array(d_model)
    for (let v = 0; v < d_vocab; v++) {
      const row = U.subarray(v * d_model, (v + 1) * d_model)
      const logit = row.reduce((sum, value, k) => sum + value * n[k]!, 0)
      const slope = 1 - Math.tanh(logit / cap) ** 2
      const weight = slope * ((v === ids.at(-1) ? 1 : 0) - 1 / d_vocab)
      row.forEach((value, k) => {
        g_n[k]! += weight * value
      })
    }
    const along = g_n.reduce((sum, value, k) => sum + value * n[k]!, 0) / d_model
    const g = g_n.map((value, k) => (value - n[k]! * along) / rms)
    const sae = saeAt(LAST)
    const [y] = await measure([sae])
    expect(y!.length).toBeGreaterThan(32)
    expect(worst(y!, await weigh(sae, g))).toBeLessThan(2e-3)
  })

  it('is that of the whole network at an early site, for several SAEs at once', async () => {
    const { d_vocab } = model.config
    const sae = saeAt(EARLY)
    const d = sae.d_in
    /** L of the text run whole, its last activation moved by `step` along a latent's direction. */
    const L = async (latent: number, step: number): Promise<number> => {
      const { logits } = await model.forward(padBatch([ids.slice(0, -1)]), {
        edits: [
          {
            hook: EARLY,
            apply: ({ data }) => {
              for (let k = 0; k < d; k++)
                data[data.length - d + k]! += step * sae.W_dec[latent * d + k]!
            },
          },
        ],
        logits: 'last',
      })
      return logits![ids.at(-1)!]! - logits!.reduce((sum, logit) => sum + logit, 0) / d_vocab
    }
    const { acts } = await model.forward(padBatch([ids.slice(0, -1)]), { hooks: [EARLY] })
    const x = acts.get(EARLY)!.data.slice(-d)
    const h = Math.hypot(...x) / 32
    const runner = await openRunner(sae, { threads: 1 })
    const { index, value } = await runner.encode(x)
    await runner.close()
    const expected: number[] = []
    for (const [i, latent] of index.entries())
      expected.push((value[i]! * ((await L(latent, h)) - (await L(latent, -h)))) / (2 * h))
    const [, y] = await measure([saeAt(LAST), sae])
    expect(worst(y!, expected)).toBeLessThan(1e-2)
  })

  it('is measured where a transcoder writes', async () => {
    const reads: HookName = 'blocks.3.hook_resid_pre'
    const written = saeAt(LAST)
    const transcoder = { hook_name_out: LAST, d_out: model.width(LAST) }
    const { acts } = await model.forward(padBatch([ids.slice(0, -1)]), { hooks: [reads, LAST] })
    const runner = await openRunner(written, { threads: 1 })
    const [at_input, at_output] = await Promise.all(
      [reads, LAST].map((hook) => runner.encode(acts.get(hook)!.data.slice(-written.d_in))),
    )
    await runner.close()
    const [y, own] = await measure([{ ...written, hook_name: reads, transcoder }, written])
    // The same directions at the same site: y / f is the same slope wherever f came from.
    const slopes = new Map(
      Array.from(at_output!.index, (latent, i) => [latent, own![i]! / at_output!.value[i]!]),
    )
    const shared = [...at_input!.index.entries()].filter(([, latent]) => slopes.has(latent))
    expect(shared.length).toBeGreaterThan(5)
    for (const [i, latent] of shared)
      expect(y![i]! / at_input!.value[i]!).toBeCloseTo(slopes.get(latent)!, 6)
  })
})
