import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCorpus, type TokenCorpus } from '../activations/index.ts'
import { resolveModel } from '../hub/index.ts'
import { type HookName, type Model, openModel, openRandom } from '../model/index.ts'
import { openRunner, type Sae, type SaeRunner } from '../sae/index.ts'
import { indexLatents } from './indexLatents.ts'
import { latentRecord } from './record.ts'

const HOOKS: readonly HookName[] = ['blocks.1.hook_mlp_out', 'blocks.3.hook_resid_post']
const N_TOKENS = 3001

let model: Model
let corpus: TokenCorpus
let runners: SaeRunner[]

/** Random unit directions, read by their transpose; latents fire where a direction is clearly present. */
function randomSae(hook_name: HookName, seed: number): Sae {
  const random = openRandom(seed)
  const [d_in, d_sae] = [256, 37]
  const W_dec = new Float32Array(d_sae * d_in)
  const W_enc = new Float32Array(d_in * d_sae)
  for (let i = 0; i < d_sae; i++) {
    const row = Float32Array.from({ length: d_in }, () => random() + random() + random() - 1.5)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d_in; k++) {
      W_dec[i * d_in + k] = row[k]! / norm
      W_enc[k * d_sae + i] = row[k]! / norm
    }
  }
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc,
    b_enc: new Float32Array(d_sae),
    W_dec,
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae).fill(hook_name === HOOKS[0] ? 1 : 5),
    metadata: {},
  }
}

beforeAll(async () => {
  const folder = await resolveModel('thimble-5m')
  model = await openModel(folder, { threads: 1 })
  corpus = await readCorpus([join(folder, 'anthology.txt')], model.tokenizer!, { n_ctx: 256 })
  runners = await Promise.all(
    HOOKS.map((hook, seed) => openRunner(randomSae(hook, seed), { threads: 1 })),
  )
})
afterAll(async () => {
  await Promise.all(runners.map((runner) => runner.close()))
  await model.close()
})

describe('an index of thimble', () => {
  it('shows windows whose values a fresh pass over their document gives again', async () => {
    const index = await indexLatents(model, runners, corpus, { n_tokens: N_TOKENS, threads: 1 })
    let n_examples = 0
    for (const runner of runners) {
      const { info, columns } = index.get(runner)!
      expect(info.n_tokens).toBe(N_TOKENS)
      const fired = Array.from(columns.n_active, (n) => n > 0).filter(Boolean).length
      expect(fired).toBeGreaterThan(30)
      for (const latent of [0, 17, 36]) {
        const record = latentRecord(info, columns, latent)
        expect(record.histogram.counts.reduce((sum, n) => sum + n, 0)).toBe(record.n_active)
        for (const example of record.examples.filter((_, i) => i % 5 === 0)) {
          const dense = await latentOver(runner, example.doc, latent)
          for (const [i, value] of example.values.entries()) {
            expect(value).toBeCloseTo(dense[example.start + i]!, 3)
          }
          n_examples++
        }
        const peaks = record.examples.filter(({ interval }) => interval === 0)
        if (peaks.length > 0) expect(peaks[0]!.values[peaks[0]!.peak]).toBe(record.max_act)
      }
    }
    expect(n_examples).toBeGreaterThan(6)
  })

  it('claims logit effects that adding the direction before the unembedding has', async () => {
    const index = await indexLatents(model, runners, corpus, { n_tokens: 200, threads: 1 })
    const { info, columns } = index.get(runners[1]!)!
    const { d_model, d_vocab, norm_eps } = model.config
    const U = await model.unembedding()
    const direction = runners[1]!.sae.W_dec.subarray(5 * d_model, 6 * d_model)
    const random = openRandom(9)
    const x = Float32Array.from({ length: d_model }, () => 20 * (random() - 0.5))
    const logits = (added: number, id: number) => {
      const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / d_model + norm_eps)
      let sum = 0
      for (let k = 0; k < d_model; k++)
        sum += ((x[k]! + added * direction[k]!) / rms) * U[id * d_model + k]!
      return sum * rms
    }
    const changes = Array.from({ length: d_vocab }, (_, id) => logits(3, id) - logits(0, id))
    const mean = changes.reduce((sum, change) => sum + change, 0) / d_vocab
    const record = latentRecord(info, columns, 5)
    for (const { id, effect } of [...record.top_logits, ...record.bottom_logits]) {
      expect((changes[id]! - mean) / 3).toBeCloseTo(effect, 3)
    }
    const strongest = changes.indexOf(Math.max(...changes))
    expect(record.top_logits[0]!.id).toBe(strongest)
  })
})

/** One latent's activations over a document that runs alone, specials set to 0. */
async function latentOver(runner: SaeRunner, doc: number, latent: number): Promise<Float32Array> {
  const ids = corpus.ids.slice(corpus.doc_start[doc], corpus.doc_start[doc + 1])
  const hook = runner.sae.hook_name
  const batch = { ids, lengths: Int32Array.of(ids.length), n_seqs: 1, seq_len: ids.length }
  const { acts } = await model.forward(batch, { hooks: [hook] })
  const { row_start, index, value } = await runner.encode(acts.get(hook)!.data)
  return Float32Array.from(ids, (id, t) => {
    if (model.tokenizer!.special_ids.has(id)) return 0
    const at = index.subarray(row_start[t], row_start[t + 1]).indexOf(latent)
    return at < 0 ? 0 : value[row_start[t]! + at]!
  })
}
