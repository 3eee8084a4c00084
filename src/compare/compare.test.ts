/** On the bundled model: a change planted in one layer is found, the layer and the latent; prompts against a naive count. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fakeModel } from '../../test/fakeModel.ts'
import { thimbleCopy } from '../../test/plantedModel.ts'
import { temporaryFolder } from '../../test/tinySuite.ts'
import { capture, corpusOfTexts, type TokenCorpus } from '../activations/index.ts'
import { type HookName, type Model, openModel, openRandom, padBatch } from '../model/index.ts'
import { encode, openRunner, type Sae } from '../sae/index.ts'
import { compareModels, type ModelCompareEvent } from './compareModels.ts'
import { comparePrompts, compareRuns } from './compareRuns.ts'
import type { CompareSite, ModelComparison } from './types.ts'

const HOOKS = [1, 3, 4].map((layer) => `blocks.${layer}.hook_resid_post` as const)
const PLANTED = { hook: HOOKS[1]!, latent: 17, layer: 3, neuron: 100 }
const D_SAE = 96
const OPTIONS = { n_tokens: 1000, splice_tokens: 200, threads: 1 }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let base: Model
let corpus: TokenCorpus
let saes: Map<HookName, Sae>

beforeAll(async () => {
  folder = await temporaryFolder()
  base = await openModel('thimble-5m', { threads: 1 })
  const anthology = join(import.meta.dirname, '../../models/thimble-5m/anthology.txt')
  const texts = (await readFile(anthology, 'utf8')).split('<|endoftext|>').slice(0, 8)
  corpus = corpusOfTexts(texts, base.tokenizer!, { n_ctx: 64 })
  saes = new Map()
  for await (const { acts } of capture(base, corpus, {
    hooks: HOOKS,
    n_tokens: 1000,
    batch_tokens: 2048,
  }))
    for (const [i, hook] of HOOKS.entries()) saes.set(hook, randomSae(hook, acts.get(hook)!, i))
})
afterAll(async () => {
  await base.close()
  await folder.remove()
})

/** A dictionary of random directions about the mean, each of whose latents fires on the 6 % of tokens that have most of it. */
function randomSae(hook_name: HookName, x: Float32Array, stream: number): Sae {
  const d = base.width(hook_name)
  const n = x.length / d
  const random = openRandom(3, stream)
  const mean = new Float32Array(d)
  for (let i = 0; i < x.length; i++) mean[i % d]! += x[i]! / n
  const W_dec = new Float32Array(D_SAE * d)
  const W_enc = new Float32Array(d * D_SAE)
  const b_enc = new Float32Array(D_SAE)
  const threshold = new Float32Array(D_SAE)
  for (let latent = 0; latent < D_SAE; latent++) {
    const row = Float32Array.from({ length: d }, () => random() + random() + random() - 1.5)
    const norm = Math.hypot(...row)
    const pre_acts = new Float32Array(n)
    for (const [j, value] of row.entries()) {
      W_dec[latent * d + j] = value / norm
      W_enc[j * D_SAE + latent] = value / norm
      b_enc[latent]! -= (value / norm) * mean[j]!
      for (let token = 0; token < n; token++)
        pre_acts[token]! += (value / norm) * (x[token * d + j]! - mean[j]!)
    }
    threshold[latent] = pre_acts.sort()[Math.floor(0.94 * n)]!
  }
  const widths = { hook_name, d_in: d, d_sae: D_SAE }
  const weights = { W_enc, b_enc, W_dec, b_dec: mean, threshold }
  return { architecture: 'jumprelu', ...widths, ...weights, metadata: {} }
}

/** Sites that say how many of them are open. */
function sitesOf(open: { now: number }): CompareSite[] {
  return HOOKS.map((hook) => ({
    id: hook,
    hook,
    open: async () => {
      const runner = await openRunner(saes.get(hook)!, { threads: 1 })
      open.now++
      return {
        runner,
        close: async () => {
          open.now--
          await runner.close()
        },
      }
    },
  }))
}

/** What a comparison found; `shares` takes down how far it said it was. */
async function resultOf(
  events: AsyncIterable<ModelCompareEvent>,
  shares: number[] = [],
): Promise<ModelComparison> {
  for await (const event of events) {
    if (event.type === 'done') return event.comparison
    shares.push(event.share)
  }
  throw new Error('the comparison ended without a result')
}

const direction = (): Float32Array => {
  const { W_dec, d_in } = saes.get(PLANTED.hook)!
  return W_dec.subarray(PLANTED.latent * d_in, (PLANTED.latent + 1) * d_in)
}

async function planted(name: string, strength: number): Promise<Model> {
  const { layer, neuron } = PLANTED
  const plant = { layer, neuron, direction: direction(), strength }
  return openModel(await thimbleCopy(join(folder.path, name), plant), { threads: 1 })
}

it('finds the layer that was changed, and the latent that it writes before all others', async () => {
  const tuned = await planted('planted', 2)
  try {
    const open = { now: 0 }
    const shares: number[] = []
    const found = await resultOf(compareModels(base, tuned, sitesOf(open), corpus, OPTIONS), shares)
    expect(found.first_changed).toBe(PLANTED.hook)
    const [before, at, after] = found.sites
    expect(before).toMatchObject({ distance: 0, latents: [] })
    // What it costs to put a reconstruction there is the later layers' matter.
    for (const number of ['l0', 'fvu'] as const)
      expect(before!.base[number]).toBe(before!.tuned[number])
    expect(at!.latents[0]).toMatchObject({ index: PLANTED.latent, kind: 'gained' })
    const others = found.sites
      .flatMap(({ latents }) => latents)
      .filter((one) => one !== at!.latents[0])
    for (const { effect } of others)
      expect(Math.abs(effect)).toBeLessThan(at!.latents[0]!.effect / 2)
    expect(open.now).toBe(0)
    expect(after!.distance).toBeGreaterThan(0)
    expect(shares.at(-1)).toBe(1)
    expect(shares).toEqual(shares.toSorted((x, y) => x - y))
  } finally {
    await tuned.close()
  }
})

it('finds nothing in a copy that was not changed', async () => {
  const tuned = await openModel(await thimbleCopy(join(folder.path, 'same')), { threads: 1 })
  try {
    const found = await resultOf(compareModels(base, tuned, sitesOf({ now: 0 }), corpus, OPTIONS))
    expect(found).not.toHaveProperty('first_changed')
    expect(found.n_tests).toBe(0)
    expect(found.kl).toBeLessThan(1e-5)
    expect(found.base.ce_loss).toBe(found.tuned.ce_loss)
    for (const site of found.sites) {
      expect(site).toMatchObject({ distance: 0, cosine: 1, latents: [] })
      expect(site.tuned).toEqual(site.base)
    }
  } finally {
    await tuned.close()
  }
})

it('stops when it is told to or no more is asked for, and closes what is open', async () => {
  const stop = new AbortController()
  const open = { now: 0 }
  const options = { ...OPTIONS, signal: stop.signal }
  const running = compareModels(base, base, sitesOf(open), corpus, options)
  expect((await running.next()).value).toMatchObject({ type: 'progress' })
  expect(open.now).toBe(3)
  stop.abort(new Error('enough'))
  await expect(running.next()).rejects.toThrow('enough')
  expect(open.now).toBe(0)
  for await (const event of compareModels(base, base, sitesOf(open), corpus, OPTIONS)) {
    expect(event.type).toBe('progress')
    break
  }
  expect(open.now).toBe(0)
})

it('compares one text in two models on every token', async () => {
  const tuned = await planted('planted too', 2)
  try {
    const ids = base.tokenizer!.tokenize(
      'The old lighthouse keeper wound the clock before the storm came in.',
    )
    const found = await compareRuns(
      { model: base, ids },
      { model: tuned, ids },
      sitesOf({ now: 0 }),
    )
    expect(found.columns.every(({ a, b, isSame }, i) => isSame && a === i && b === i)).toBe(true)
    const [before, at] = found.sites
    expect(before!.change).toBe(0)
    expect(before!.latents).toEqual([])
    expect(at!.latents[0]).toMatchObject({ index: PLANTED.latent })
  } finally {
    await tuned.close()
  }
})

it('compares prompts as encoding both and subtracting does, and sets what was inserted apart', async () => {
  const a = 'A farmer had nine sheep. Answer: nine.'
  const b = 'A farmer had nine sheep. Think: some ran away and came back. Answer: nine.'
  const found = await comparePrompts(base, sitesOf({ now: 0 }), { a, b }, { n_top: D_SAE })
  const in_parts = await comparePrompts(
    base,
    sitesOf({ now: 0 }),
    { a, b },
    { n_top: D_SAE, acts_bytes: 1 },
  )
  expect(in_parts).toEqual(found)
  const ids_a = base.tokenizer!.tokenize(a)
  const n_inserted = base.tokenizer!.tokenize(b).length - ids_a.length
  const alone = found.columns.flatMap(({ a }, column) => (a === undefined ? [column] : []))
  expect(alone).toHaveLength(n_inserted)
  expect(alone.at(-1)! - alone[0]!).toBe(n_inserted - 1) // one run
  for (const { a, b, isSame } of found.columns)
    if (a !== undefined && b !== undefined) expect(isSame).toBe(true)

  const [hook] = HOOKS
  const site = found.sites[0]!
  expect(site.cells[0]).toBe(null) // BOS
  const dense = await Promise.all([a, b].map((text) => denseActs(hook!, text)))
  const largest = (latent: number) => Math.max(...dense.flat().map((acts) => acts[latent]!))
  for (const [column, cell] of site.cells.entries()) {
    const { a, b } = found.columns[column]!
    if (a === undefined || b === undefined || column === 0) continue
    const [of_a, of_b] = [dense[0]![a]!, dense[1]![b]!]
    const moved = of_a.map((act, latent) => Math.abs(of_b[latent]! - act) / (largest(latent) || 1))
    const either = of_a.map((act, latent) => Math.max(of_b[latent]!, act) / (largest(latent) || 1))
    const sum = (numbers: Float32Array) => numbers.reduce((x, y) => x + y, 0)
    if (sum(either) > 0) expect(cell!.change).toBeCloseTo(sum(moved) / sum(either), 4)
    else expect(cell).not.toHaveProperty('change')
    expect(cell!.n_gained).toBe(of_a.filter((act, i) => act === 0 && of_b[i]! > 0).length)
    expect(cell!.n_lost).toBe(of_a.filter((act, i) => act > 0 && of_b[i] === 0).length)
    if (column < alone[0]!) expect(cell!.top).toEqual([]) // the same was seen up to here
  }
  const fires = (text: number, latent: number) => dense[text]!.some((acts) => acts[latent]! > 0)
  expect(site.apart.length).toBeGreaterThan(0)
  for (const { index, kind } of site.apart) {
    expect(kind).toBe('only_b')
    expect([fires(0, index), fires(1, index)]).toEqual([false, true])
  }
  for (const { index, column, effect, kind } of site.latents) {
    expect(kind === 'gained').toBe(!fires(0, index))
    expect(kind === 'lost').toBe(!fires(1, index))
    const { a, b } = found.columns[column]!
    const by = dense[1]![b!]![index]! - dense[0]![a!]![index]!
    expect(effect).toBeCloseTo(by / largest(index), 4)
  }
  const sizes = site.latents.map(({ effect }) => Math.abs(effect))
  expect(sizes).toEqual(sizes.toSorted((x, y) => y - x))
})

/** Activations of every token of a text, [n_tokens][d_sae], BOS's as none. */
async function denseActs(hook: HookName, text: string): Promise<Float32Array[]> {
  const ids = base.tokenizer!.tokenize(text)
  const { data } = (await base.forward(padBatch([ids]), { hooks: [hook] })).acts.get(hook)!
  const { index, value, row_start } = encode(saes.get(hook)!, data)
  return Array.from(ids, (id, token) => {
    const acts = new Float32Array(D_SAE)
    if (!base.tokenizer!.special_ids.has(id))
      for (let entry = row_start[token]!; entry < row_start[token + 1]!; entry++)
        acts[index[entry]!] = value[entry]!
    return acts
  })
}

it('says what both predict next, and how far that is apart', async () => {
  const [a, b] = ['The sun rose over the', 'Once upon a']
  const { final } = await comparePrompts(base, [], { a, b })
  const probabilities = await Promise.all(
    [a, b].map(async (text) => {
      const logits = (
        await base.forward(padBatch([base.tokenizer!.tokenize(text)]), { logits: 'last' })
      ).logits!
      const weights = Array.from(logits, (logit) => Math.exp(logit))
      const total = weights.reduce((x, y) => x + y, 0)
      return weights.map((weight) => weight / total)
    }),
  )
  const [p, q] = probabilities as [number[], number[]]
  expect(final.kl_ab).toBeCloseTo(
    p.reduce((kl, x, i) => kl + x * Math.log(x / q[i]!), 0),
    3,
  )
  for (const { id, p_a, p_b } of final.guesses) {
    expect(p_a).toBeCloseTo(p[id]!, 5)
    expect(p_b).toBeCloseTo(q[id]!, 5)
  }
  expect(final.guesses[0]!.p_a + final.guesses[0]!.p_b).toBeGreaterThan(0)
  expect(Math.max(...p)).toBeCloseTo(Math.max(...final.guesses.map(({ p_a }) => p_a)), 5)
})

it('refuses models that do not read the same tokens', async () => {
  const other = fakeModel(() => 0, { hook_embed: 4 })
  await expect(resultOf(compareModels(base, other, [], corpus))).rejects.toThrow(
    /thimble-5m and fake differ in d_model \(256 and 4\)\. Only models/,
  )
  const tokenizer = { ...base.tokenizer!, pieces: base.tokenizer!.pieces.with(7, 'seven') }
  await expect(resultOf(compareModels(base, { ...base, tokenizer }, [], corpus))).rejects.toThrow(
    /differ in token 7 .*"seven"/,
  )
})
