import { afterAll, beforeAll, expect, it } from 'vitest'
import { D_MODEL, openNoise, randomTopk } from '../../test/handmadeSaes.ts'
import { effectHistogram } from '../latents/index.ts'
import { type HookName, type Model, padBatch } from '../model/index.ts'
import { encode, openRunner, type SaeRunner } from '../sae/index.ts'
import { runExamples } from './latentExamples.ts'
import { latentFamily, type Member } from './latentFamily.ts'
import { Workbench } from './workbench.ts'

const HOOK: HookName = 'blocks.4.hook_resid_post'
const d_sae = 13
const d = D_MODEL
const SAE = randomTopk(HOOK, { d_sae, k: 5, noise: openNoise(9) })

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

it('counts companions by hand, and the change of loss is that of taking the latent’s part away', async () => {
  const texts = ['The sea was dark and the lamp stood', 'She heard the dog', 'A ship']
  const sequences = texts.map((text) => model.tokenizer!.tokenize(text))
  const latent = await commonLatent(sequences)
  const passages = sequences.map((ids) => ({ ids: ids.slice(1), peak: 1 }))
  const density = new Float32Array(d_sae).fill(0.1)
  const run = await runExamples(model, runner, { latent, passages, density })
  expect(run).toMatchObject({
    n_examples: 3,
    n_tokens: sequences.flatMap((s) => [...s]).length - 3,
  })

  let n_active = 0
  const both = new Map<number, number>()
  const [at, later]: [number[], number[]] = [[], []]
  for (const ids of sequences) {
    const plain = await model.forward(padBatch([ids]), { hooks: [HOOK], loss: true })
    const acts = encode(SAE, plain.acts.get(HOOK)!.data)
    const value = new Float32Array(ids.length)
    for (let t = 1; t < ids.length; t++) {
      const [from, to] = [acts.row_start[t]!, acts.row_start[t + 1]!]
      const here = acts.index.subarray(from, to).indexOf(latent)
      if (here < 0) continue
      value[t] = acts.value[from + here]!
      n_active++
      for (const other of acts.index.subarray(from, to))
        if (other !== latent) both.set(other, (both.get(other) ?? 0) + 1)
    }
    const without = await model.forward(padBatch([ids]), {
      loss: true,
      edits: [
        {
          hook: HOOK,
          apply: ({ data }) => {
            for (let t = 1; t < ids.length; t++)
              for (let k = 0; k < d; k++) data[t * d + k]! -= value[t]! * SAE.W_dec[latent * d + k]!
          },
        },
      ],
    })
    const change = without.next_token_loss!.map((loss, t) => loss - plain.next_token_loss![t]!)
    const [first, ...rest] = change.subarray(2) // the peak is the second token after BOS
    if (first !== undefined) at.push(first)
    if (rest.length > 0) later.push(rest.reduce((sum, x) => sum + x, 0) / rest.length)
  }
  expect(run.n_active).toBe(n_active)
  for (const { index, n_both, share, lift } of run.companions) {
    expect(n_both).toBe(both.get(index))
    expect(share).toBeCloseTo(n_both / n_active, 6)
    expect(lift).toBeCloseTo(share / 0.1, 4)
  }
  const expected = [...both.values()].filter((n) => n >= 3 && n / n_active > 0.1).length
  expect(run.companions).toHaveLength(Math.min(12, expected))
  const { at_peak, after_peak } = run.ablation!
  expect(at_peak!.n).toBe(at.length)
  expect(at_peak!.mean).toBeCloseTo(meanOf(at), 3)
  expect(after_peak!.mean).toBeCloseTo(meanOf(later), 3)
  const [mean, n] = [meanOf(at), at.length]
  const variance = at.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1)
  expect(at_peak!.standard_error).toBeCloseTo(Math.sqrt(variance / n), 3)
})

it('a site that can only be read has companions and no ablation, and says why', async () => {
  const readOnly = await openRunner(
    { ...SAE, hook_name: 'blocks.4.ln2.hook_normalized' },
    { threads: 1 },
  )
  const passages = [{ ids: model.tokenizer!.tokenize('The sea was dark').slice(1), peak: 1 }]
  const density = new Float32Array(d_sae).fill(0.1)
  const run = await runExamples(model, readOnly, { latent: 3, passages, density })
  expect(run.ablation).toBeUndefined()
  expect(run.ablation_absent).toContain('can be read but not edited')
  await readOnly.close()
  await expect(runExamples(model, runner, { latent: 3, passages: [], density })).rejects.toThrow(
    'has no examples',
  )
})

it('spreads a direction’s effects over the vocabulary about their mean', () => {
  const U = Float32Array.from([1, 0, 3, 0, 5, 1]) // three tokens, two dimensions
  const { edges, counts, standard_deviation } = effectHistogram(U, Float32Array.of(1, 0))
  expect(edges[0]).toBeCloseTo(-2)
  expect(edges.at(-1)).toBeCloseTo(2)
  expect(counts.flatMap((n, bin) => (n > 0 ? [[bin, n]] : []))).toEqual([[0, 1], [20, 1], [40, 1]]) // biome-ignore format: bins
  expect(standard_deviation).toBeCloseTo(Math.sqrt(8 / 3))
})

it('follows near directions from site to site, and leaves far ones out', async () => {
  const at = (layer: number, index: number): Member => ({
    sae: `s~${layer}`,
    hook: `blocks.${layer}.hook_resid_post`,
    index,
  })
  const near: Record<string, [Member, number][]> = {
    's~1/7': [[at(1, 8), 0.5], [at(2, 3), 0.9], [at(2, 4), 0.2]],
    's~2/3': [[at(1, 7), 0.9], [at(3, 5), 0.8], [at(3, 6), 0.7]],
    's~3/5': [[at(2, 3), 0.8]],
  } // biome-ignore format: a table
  const { members, edges } = await latentFamily(at(1, 7), async ({ sae, index }) =>
    (near[`${sae}/${index}`] ?? []).map(([member, cosine]) => ({ ...member, cosine })),
  )
  expect(members).toEqual([at(1, 7), at(2, 3), at(3, 5), at(1, 8)])
  expect(edges).toEqual([
    { from: 0, to: 3, cosine: 0.5 },
    { from: 0, to: 1, cosine: 0.9 },
    { from: 1, to: 2, cosine: 0.8 },
  ])
})

/** A latent that is on at many tokens. */
async function commonLatent(sequences: readonly Int32Array[]): Promise<number> {
  const counts = new Float64Array(d_sae)
  for (const ids of sequences) {
    const { acts } = await model.forward(padBatch([ids]), { hooks: [HOOK] })
    for (const index of encode(SAE, acts.get(HOOK)!.data).index) counts[index]!++
  }
  return counts.indexOf(Math.max(...counts))
}

const meanOf = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
