import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { corpusOfTexts, specialIds, type TokenCorpus } from '../activations/index.ts'
import { type HookName, type Model, openModel, padBatch } from '../model/index.ts'
import {
  loadPublishedSae,
  loadSae,
  readMetrics,
  saveGemmaScope,
  saveSae,
  writeMetrics,
} from '../sae/disk.ts'
import { encode, openRunner, type Sae } from '../sae/index.ts'
import { evaluateSuite, spliceEdit } from './index.ts'

const TEXTS = [
  'The old lighthouse keeper counted the ships that passed before dawn.',
  'Rain.',
  'She opened the letter, read it twice, and put it back into the drawer without a word.',
  'In the third year of the drought the river showed the ruins of the first mill.',
]
const HOOKS: HookName[] = [
  'blocks.1.hook_resid_post',
  'blocks.2.attn.hook_z',
  'blocks.3.hook_mlp_out',
]

let model: Model
let corpus: TokenCorpus
let folder: string

beforeAll(async () => {
  model = await openModel('thimble-5m', { threads: 1 })
  corpus = corpusOfTexts(TEXTS, model.tokenizer!, { n_ctx: 64 })
  folder = mkdtempSync(join(tmpdir(), 'hooke-evaluate-'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await model.close()
})

function noise(length: number, seed: number, scale: number): Float32Array {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * scale
  })
}

function randomSae(hook_name: HookName, d_sae: number): Sae {
  const d_in = model.width(hook_name)
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: noise(d_in * d_sae, 3, d_in ** -0.5),
    b_enc: noise(d_sae, 4, 0.1),
    W_dec: noise(d_sae * d_in, 5, d_in ** -0.5),
    b_dec: noise(d_in, 6, 0.1),
    threshold: new Float32Array(d_sae).fill(0.5),
    metadata: {},
  }
}

/** Latents +x_k and -x_k of every coordinate: reconstructs everything. */
function perfectSae(hook_name: HookName): Sae {
  const d_in = model.width(hook_name)
  const d_sae = 2 * d_in
  const W_enc = new Float32Array(d_in * d_sae)
  const W_dec = new Float32Array(d_sae * d_in)
  for (let k = 0; k < d_in; k++) {
    W_enc.set([1], k * d_sae + k)
    W_enc.set([-1], k * d_sae + d_in + k)
    W_dec.set([1], k * d_in + k)
    W_dec.set([-1], (d_in + k) * d_in + k)
  }
  const zeros = {
    b_enc: new Float32Array(d_sae),
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae),
  }
  return { ...randomSae(hook_name, 1), d_sae, W_enc, W_dec, ...zeros }
}

async function evaluate(saes: Sae[], options: Parameters<typeof evaluateSuite>[3] = {}) {
  const runners = await Promise.all(saes.map((sae) => openRunner(sae, { threads: 1 })))
  const metrics = await evaluateSuite(model, runners, corpus, { importance_tokens: 0, ...options })
  await Promise.all(runners.map((runner) => runner.close()))
  return runners.map((runner) => metrics.get(runner)!)
}

/** Mean loss over all tokens but BOS, document by document, from logits in f64; rows of `hook` replaced by `change`. */
async function slowLoss(
  hook: HookName,
  change?: (x: Float32Array) => Float32Array,
): Promise<number> {
  let sum = 0
  let n = 0
  for (let doc = 0; doc + 1 < corpus.doc_start.length; doc++) {
    const ids = corpus.ids.slice(corpus.doc_start[doc], corpus.doc_start[doc + 1])
    const edits =
      change === undefined
        ? []
        : [
            {
              hook,
              apply: ({ data, d }: { data: Float32Array; d: number }) =>
                data.set(change(data.slice(d)), d),
            },
          ]
    const { logits } = await model.forward(padBatch([ids]), { logits: true, edits })
    const { d_vocab } = model.config
    for (let at = 0; at + 1 < ids.length; at++) {
      const row = logits!.subarray(at * d_vocab, (at + 1) * d_vocab)
      const total = row.reduce((partition, logit) => partition + Math.exp(logit), 0)
      sum += Math.log(total) - row[ids[at + 1]!]!
      n++
    }
  }
  return sum / n
}

/** `recon` on plain loops over a dense [n, d_sae]: shares nothing with the runner but the encoder's definition. */
function slowRecon(sae: Sae, x: Float32Array): Float32Array {
  const { row_start, index, value, n } = encode(sae, x)
  const recon = new Float32Array(n * sae.d_in)
  for (let row = 0; row < n; row++) {
    for (let k = 0; k < sae.d_in; k++) {
      let sum = sae.b_dec[k]!
      for (let entry = row_start[row]!; entry < row_start[row + 1]!; entry++) {
        sum += value[entry]! * sae.W_dec[index[entry]! * sae.d_in + k]!
      }
      recon[row * sae.d_in + k] = sum
    }
  }
  return recon
}

describe('evaluateSuite', () => {
  it('reports the loss that splicing the reconstruction costs', async () => {
    for (const hook of HOOKS) {
      const sae = randomSae(hook, 37)
      const [metrics] = await evaluate([sae])
      const plain = await slowLoss(hook)
      const spliced = await slowLoss(hook, (x) => slowRecon(sae, x))
      expect(metrics!.ce_loss).toBeCloseTo(plain, 4)
      expect(metrics!.delta_ce_loss).toBeCloseTo(spliced - plain, 4)
      expect(Math.abs(spliced - plain)).toBeGreaterThan(1e-3)
    }
  })

  it('finds nothing lost where the reconstruction is perfect', async () => {
    const [metrics] = await evaluate([perfectSae('blocks.2.hook_resid_post')])
    expect(metrics!.fvu).toBeLessThan(1e-12)
    expect(metrics!.delta_ce_loss).toBeCloseTo(0, 5)
    expect(metrics!.kl).toBeCloseTo(0, 5)
    expect(metrics!.ce_loss_recovered).toBeCloseTo(1, 5)
    expect(metrics!.l2_ratio).toBeCloseTo(1, 6)
    expect(metrics!.relative_reconstruction_bias).toBeCloseTo(1, 6)
    expect(metrics!.l0).toBe(model.width('blocks.2.hook_resid_post'))
  })

  it('gives FVU 1, L0 0 and all latents dead where only the mean is predicted', async () => {
    const hook: HookName = 'blocks.4.hook_resid_post'
    const d = model.width(hook)
    const mean = new Float64Array(d)
    const docs = Array.from(TEXTS, (_, i) =>
      corpus.ids.slice(corpus.doc_start[i], corpus.doc_start[i + 1]),
    )
    for (const ids of docs) {
      const { acts } = await model.forward(padBatch([ids]), { hooks: [hook] })
      acts.get(hook)!.data.forEach((value, i) => {
        if (i >= d) mean[i % d]! += value / (corpus.ids.length - docs.length)
      })
    }
    const sae = {
      ...randomSae(hook, 5),
      b_dec: new Float32Array(mean),
      threshold: new Float32Array(5).fill(1e9),
    }
    const [metrics] = await evaluate([sae])
    expect(metrics!.fvu).toBeCloseTo(1, 6)
    expect(metrics).toMatchObject({ l0: 0, dead: 1, dead_window_tokens: metrics!.n_tokens })
  })

  it('places the spliced loss between deleting the site and leaving it alone', async () => {
    const hook: HookName = 'blocks.3.hook_resid_post'
    const sae = randomSae(hook, 37)
    const [metrics] = await evaluate([sae])
    const plain = await slowLoss(hook)
    const spliced = await slowLoss(hook, (x) => slowRecon(sae, x))
    const zero = await slowLoss(hook, (x) => x.fill(0))
    expect(metrics!.ce_loss_zero).toBeCloseTo(zero, 4)
    expect(metrics!.ce_loss_zero_tokens).toBe(metrics!.n_tokens)
    expect(metrics!.ce_loss_recovered).toBeCloseTo((zero - spliced) / (zero - plain), 4)
  })

  it('says how far the spliced predictions are from the plain ones', async () => {
    const hook: HookName = HOOKS[2]!
    const sae = randomSae(hook, 37)
    const [metrics] = await evaluate([sae])
    const { d_vocab } = model.config
    let sum = 0
    for (let doc = 0; doc < TEXTS.length; doc++) {
      const ids = corpus.ids.slice(corpus.doc_start[doc], corpus.doc_start[doc + 1])
      const batch = padBatch([ids])
      const { acts, logits } = await model.forward(batch, { hooks: [hook], logits: true })
      const at = Int32Array.from({ length: ids.length - 1 }, (_, i) => i + 1)
      const recon = slowRecon(sae, acts.get(hook)!.data.slice(sae.d_in))
      const edits = [spliceEdit(hook, at, recon)]
      const spliced = await model.forward(batch, { edits, logits: true })
      for (let row = 0; row + 1 < ids.length; row++) {
        const [p, q] = [logits!, spliced.logits!].map((all) => {
          const own = Float64Array.from(all.subarray(row * d_vocab, (row + 1) * d_vocab), Math.exp)
          const total = own.reduce((partition, value) => partition + value, 0)
          return own.map((value) => value / total)
        })
        p!.forEach((value, v) => {
          sum += value * Math.log(value / q![v]!)
        })
      }
    }
    expect(metrics!.kl).toBeCloseTo(sum / metrics!.n_tokens, 4)
    expect(sum).toBeGreaterThan(0.01)
  })

  it('splits fidelity by position, of which the parts make the whole', async () => {
    const [metrics] = await evaluate([randomSae(HOOKS[0]!, 37)])
    const bins = metrics!.by_position!
    expect(bins[0]).toMatchObject({ start: 1, end: 2, n_tokens: TEXTS.length })
    // Only BOS, which is left alone, lies before the first token.
    expect(bins[0]!.delta_ce_loss).toBeCloseTo(0, 6)
    expect(bins.reduce((sum, { n_tokens }) => sum + n_tokens, 0)).toBe(metrics!.n_tokens)
    const delta = bins.reduce((sum, bin) => sum + bin.n_tokens * bin.delta_ce_loss!, 0)
    expect(delta / metrics!.n_tokens).toBeCloseTo(metrics!.delta_ce_loss!, 6)
  })

  it('holds a transcoder against the site it writes, and splices it there', async () => {
    const [reads, writes]: HookName[] = ['blocks.2.hook_resid_mid', 'blocks.2.hook_mlp_out']
    const sae = {
      ...randomSae(reads!, 37),
      transcoder: { hook_name_out: writes!, d_out: model.width(writes!) },
    }
    const [metrics] = await evaluate([sae])
    const d = sae.d_in
    let recons: Float32Array[] = []
    let error = 0
    const spread: Float32Array[] = []
    for (let doc = 0; doc < TEXTS.length; doc++) {
      const ids = corpus.ids.slice(corpus.doc_start[doc], corpus.doc_start[doc + 1])
      const { acts } = await model.forward(padBatch([ids]), { hooks: [reads!, writes!] })
      const recon = slowRecon(sae, acts.get(reads!)!.data.slice(d))
      const y = acts.get(writes!)!.data.slice(d)
      recons.push(recon)
      spread.push(y)
      y.forEach((value, i) => {
        error += (value - recon[i]!) ** 2
      })
    }
    const n = spread.reduce((sum, y) => sum + y.length / d, 0)
    const mean = new Float64Array(d)
    for (const y of spread)
      y.forEach((value, i) => {
        mean[i % d]! += value / n
      })
    let variance = 0
    for (const y of spread)
      y.forEach((value, i) => {
        variance += (value - mean[i % d]!) ** 2
      })
    expect(metrics!.fvu! / (error / variance)).toBeCloseTo(1, 5)
    const plain = await slowLoss(writes!)
    const spliced = await slowLoss(writes!, () => {
      const [next, ...others] = recons
      recons = others
      return next!
    })
    expect(metrics!.delta_ce_loss).toBeCloseTo(spliced - plain, 4)
  })

  it('measures importance and deleted sites on as many tokens as asked, and says why not', async () => {
    const [metrics] = await evaluate([randomSae(HOOKS[0]!, 37)], { importance_tokens: 3 })
    expect(metrics!.uniformity_tokens).toBe(3)
    expect(metrics!.uniformity).toBeGreaterThan(1 / 37)
    expect(metrics!.uniformity).toBeLessThan(1)
    const [without] = await evaluate([randomSae(HOOKS[0]!, 37)], { zero_tokens: 0 })
    expect(Object.keys(without!.absent)).toEqual([
      'ce_loss_zero',
      'ce_loss_recovered',
      'uniformity',
    ])
    for (const name of Object.keys(without!.absent)) expect(without).not.toHaveProperty(name)
  })

  it('leaves special tokens out of every number and says how many', async () => {
    const n_special = corpus.ids.filter((id) => specialIds(model).has(id)).length
    const [metrics] = await evaluate([randomSae(HOOKS[0]!, 37)])
    expect(n_special).toBe(TEXTS.length)
    expect(metrics).toMatchObject({
      n_tokens: corpus.ids.length - n_special,
      n_excluded: n_special,
    })
    expect(Object.keys(metrics!.absent)).toEqual(['uniformity'])
  })

  it('gives the same numbers for one SAE or several, in one batch or many', async () => {
    const saes = HOOKS.map((hook) => randomSae(hook, 37))
    const together = await evaluate(saes)
    const [alone] = await evaluate([saes[1]!], { batch_tokens: 20 })
    expect(alone!.l0).toBe(together[1]!.l0)
    expect(alone!.fvu).toBeCloseTo(together[1]!.fvu!, 6)
    expect(alone!.delta_ce_loss).toBeCloseTo(together[1]!.delta_ce_loss!, 5)
  })

  it('stops at the number of tokens asked for, and tells how far it is', async () => {
    const progress: number[] = []
    const [metrics] = await evaluate([randomSae(HOOKS[0]!, 5)], {
      n_tokens: 29,
      batch_tokens: 16,
      onProgress: ({ n_done, n_total }) => progress.push(n_done / n_total),
    })
    expect(metrics!.n_tokens).toBe(29)
    expect(progress.length).toBeGreaterThan(2)
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toBe(1)
  })

  it('stops when aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(evaluate([randomSae(HOOKS[0]!, 5)], { signal })).rejects.toThrow('enough')
  })

  it('refuses an SAE of another width before it runs', async () => {
    const zeros = (n: number) => new Float32Array(n)
    const sae = {
      ...randomSae(HOOKS[0]!, 3),
      d_in: 7,
      W_enc: zeros(21),
      W_dec: zeros(21),
      b_dec: zeros(7),
    }
    await expect(evaluate([sae])).rejects.toThrow('d_in 7, but model thimble-5m has width 256')
  })
})

describe('splicing reconstruction and error', () => {
  it('leaves the logits unchanged', async () => {
    const ids = corpus.ids.slice(corpus.doc_start[0], corpus.doc_start[1])
    const batch = padBatch([ids])
    for (const hook of HOOKS) {
      const sae = randomSae(hook, 37)
      const plain = await model.forward(batch, { hooks: [hook], logits: true })
      const x = plain.acts.get(hook)!.data.slice(sae.d_in)
      const recon = slowRecon(sae, x)
      const error = x.map((value, i) => value - recon[i]!)
      const at = Int32Array.from({ length: ids.length - 1 }, (_, i) => i + 1)
      const edits = [
        spliceEdit(
          hook,
          at,
          recon.map((value, i) => value + error[i]!),
        ),
      ]
      const spliced = await model.forward(batch, { edits, logits: true })
      const worst = plain.logits!.reduce(
        (most, logit, i) => Math.max(most, Math.abs(logit - spliced.logits![i]!)),
        0,
      )
      expect(worst).toBeLessThan(1e-4)
    }
  })
})

describe('a suite saved, exported as params.npz and loaded again', () => {
  it('has identical metrics', async () => {
    const sae = randomSae(HOOKS[1]!, 37)
    await saveSae(join(folder, 'sae'), sae)
    const loaded = await loadSae(join(folder, 'sae'))
    const npz = await saveGemmaScope(join(folder, 'scope'), loaded, 3)
    const { sae: exported } = await loadPublishedSae(npz)
    const [before] = await evaluate([sae])
    const [after] = await evaluate([exported])
    expect(after).toEqual(before)
    await writeMetrics(join(folder, 'sae'), before!)
    expect(await readMetrics(join(folder, 'sae'))).toEqual(after)
  })
})
