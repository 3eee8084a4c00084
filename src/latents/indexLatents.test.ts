import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { characters, fakeModel } from '../../test/fakeModel.ts'
import { corpusOfTexts, hash32, type TokenCorpus } from '../activations/index.ts'
import { openBytes } from '../formats/index.ts'
import type { HookName } from '../model/index.ts'
import { openRandom } from '../model/index.ts'
import { encode, type Sae, type SaeRunner } from '../sae/index.ts'
import { EXAMPLE_DEFAULTS, indexBytes, makeAccumulator } from './accumulate.ts'
import { openLatents, saveLatents } from './disk.ts'
import { indexLatents } from './indexLatents.ts'
import { parseLatents, renderLatents } from './latentFile.ts'
import { latentRecord } from './record.ts'
import { priorityOf } from './reservoir.ts'
import type { LatentIndex, LatentRecord } from './types.ts'

const POST: HookName = 'blocks.0.hook_resid_post'
const Z: HookName = 'blocks.0.attn.hook_z'

const slowRunner = (sae: Sae): SaeRunner => ({
  sae,
  encode: async (x) => encode(sae, x),
  decode: async () => new Float32Array(0),
  close: async () => {},
})

/** An SAE whose encoder and decoder are given; thresholds 0.5. */
function plantedSae(hook_name: HookName, d_in: number, W_dec: number[], W_enc: number[]): Sae {
  const d_sae = W_dec.length / d_in
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc: Float32Array.from(W_enc),
    b_enc: new Float32Array(d_sae),
    W_dec: Float32Array.from(W_dec),
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae).fill(0.5),
    metadata: {},
  }
}

async function indexOf(
  ...[model, sae, corpus, options]: [
    Parameters<typeof indexLatents>[0],
    Sae,
    TokenCorpus,
    Parameters<typeof indexLatents>[3],
  ]
): Promise<LatentIndex> {
  const runner = slowRunner(sae)
  return (await indexLatents(model, [runner], corpus, options)).get(runner)!
}

const shown = (record: LatentRecord, interval: number) =>
  record.examples
    .filter((example) => example.interval === interval)
    .map(({ ids, peak, values }) => ({
      text: characters.detokenize(ids),
      at: characters.detokenize([ids[peak]!]),
      value: values[peak],
    }))

describe('an index computed by hand', () => {
  /** The site's only component is the letter's place in the alphabet, 0 for other characters; latent 0 reads it. */
  const model = fakeModel((_, id) => (id >= 97 ? id - 96 : 0), { [POST]: 1 })
  const sae = plantedSae(POST, 1, [1, -1], [1, -1])
  const corpus = corpusOfTexts(['..b....a..', '....c', '$.d', '.....'], characters, { n_ctx: 16 })

  it('has exact counts, maxima, means, histograms and examples', async () => {
    const index = await indexOf(model, sae, corpus, { context: 2, n_top: 2, per_interval: 1 })
    expect(index.info).toMatchObject({ n_tokens: 22, n_excluded: 5, hook: POST, d_sae: 2 })
    const record = latentRecord(index.info, index.columns, 0)
    expect(record).toMatchObject({ n_active: 4, density: 4 / 22, max_act: 4, mean_act: 2.5 })
    // 4 lies in [4, 8): the bins are 40 of width 0.2 below 8, shown up to that of 4.
    expect(record.histogram.edges).toHaveLength(22)
    expect(record.histogram.edges[21]).toBeCloseTo(4.2)
    const filled = record.histogram.counts.flatMap((n, b) => (n === 0 ? [] : [[b, n]]))
    expect(filled).toEqual([
      [5, 1],
      [10, 1],
      [15, 1],
      [20, 1],
    ])
    expect(shown(record, 0)).toEqual([
      { text: '.d', at: 'd', value: 4 },
      { text: '..c', at: 'c', value: 3 },
    ])
    // 11 of 20 bins of width 0.4 are in use: b (2) is in bin 5, of interval 5 - floor(5 * 5 / 11), a (1) in bin 2.
    expect(shown(record, 3)).toEqual([{ text: '..b..', at: 'b', value: 2 }])
    expect(shown(record, 5)).toEqual([{ text: '..a..', at: 'a', value: 1 }])
    expect([1, 2, 4].flatMap((k) => shown(record, k))).toEqual([])
    expect(record.examples[1]).toMatchObject({ doc: 1, start: 3, peak: 2 })
    const tokens = Array.from(index.columns.top_token_id.subarray(0, 3))
    expect(tokens).toEqual([100, 99, -1])
  })

  it('counts where in documents it fires, beside the tokens counted there', async () => {
    const index = await indexOf(model, sae, corpus, {})
    const { positions } = latentRecord(index.info, index.columns, 0)
    // BOS is at 0, '..b....a..' fires at 3 and 8, '....c' at 5, '$.d' at 3.
    expect(positions).toEqual([
      { start: 1, end: 2, n_active: 0, n_tokens: 3 },
      { start: 2, end: 3, n_active: 0, n_tokens: 4 },
      { start: 3, end: 4, n_active: 2, n_tokens: 4 },
      { start: 4, end: 6, n_active: 1, n_tokens: 6 },
      { start: 6, end: 8, n_active: 0, n_tokens: 2 },
      { start: 8, end: 12, n_active: 1, n_tokens: 3 },
    ])
    const file = await parseLatents(openBytes('new', renderLatents(index)))
    expect((await file.record(0)).positions).toEqual(positions)
    const { position: _, position_tokens: __, ...columns } = index.columns
    const old = await parseLatents(openBytes('old', renderLatents({ info: index.info, columns })))
    expect(await old.record(0)).toMatchObject({ n_active: 4, max_act: 4 })
    expect((await old.record(0)).positions).toBeUndefined()
  })

  it('leaves a latent that never fires without numbers it does not have', async () => {
    const index = await indexOf(model, sae, corpus, {})
    expect(latentRecord(index.info, index.columns, 1)).toMatchObject({
      n_active: 0,
      density: 0,
      max_act: 0,
      mean_act: 0,
      histogram: { edges: [], counts: [] },
      examples: [],
    })
  })

  it('shows the values of a window, one example for windows that would overlap, equal texts once', async () => {
    const texts = ['.abca.......b', '.abca.......b', 'xx']
    const twice = corpusOfTexts(texts, characters, { n_ctx: 16 })
    const few = plantedSae(POST, 1, [1], [1])
    const index = await indexOf(model, few, twice, { context: 2, n_top: 9 })
    const record = latentRecord(index.info, index.columns, 0)
    expect(shown(record, 0).map(({ text }) => text)).toEqual(['xx', 'abca.', '..b'])
    expect([...record.examples[1]!.values]).toEqual([1, 2, 3, 1, 0])
    expect(record.examples[1]!.doc).toBe(0)
  })

  it('stops windows where the run stopped', async () => {
    const one = corpusOfTexts(['abcdefgh'], characters, { n_ctx: 16 })
    const index = await indexOf(model, sae, one, { context: 3, n_tokens: 4 })
    const record = latentRecord(index.info, index.columns, 0)
    expect(shown(record, 0)).toEqual([{ text: 'abcd', at: 'd', value: 4 }])
    expect(index.info.n_tokens).toBe(4)
  })

  it('refuses an SAE that does not fit the model', async () => {
    const other = plantedSae(POST, 2, [1, 0], [1, 0])
    await expect(indexOf(model, other, corpus, {})).rejects.toThrow(/width 1/)
  })
})

describe('an index of a random SAE', () => {
  const d_in = 5
  const d_sae = 7
  const random = openRandom(11)
  const noise = (n: number) => Array.from({ length: n }, () => 2 * random() - 1)
  const table = noise(128 * d_in)
  const model = fakeModel(
    (hook, id, t, k) => table[id * d_in + k]! * (hook === Z ? 2 : 1) + Math.sin(t * (k + 1)),
    { [Z]: d_in, [POST]: d_in },
    Float32Array.from(noise(128 * d_in)),
  )
  const sae = plantedSae(POST, d_in, noise(d_in * d_sae), noise(d_in * d_sae))
  const letters = () =>
    Array.from({ length: 5 + Math.floor(random() * 70) }, () => 'abcd$'[Math.floor(random() * 5)])
  const texts = Array.from({ length: 23 }, () => letters().join(''))
  const corpus = corpusOfTexts([...texts, ...texts.slice(0, 5)], characters, { n_ctx: 31 })
  const options = { context: 2, n_top: 6, n_intervals: 3, per_interval: 2, seed: 5 }

  it('equals the dense twin in every count and every example', async () => {
    const index = await indexOf(model, sae, corpus, options)
    for (let latent = 0; latent < d_sae; latent++) {
      const record = latentRecord(index.info, index.columns, latent)
      const twin = denseTwin(await denseActs(), latent)
      expect(record).toMatchObject(twin.statistics)
      expect(record.mean_act).toBeCloseTo(twin.mean_act, 5)
      const found = record.examples.map(({ interval, doc, start, peak, values }) => ({
        interval,
        token: corpus.doc_start[doc]! + start + peak,
        values: [...values],
      }))
      expect(found).toEqual(twin.examples)
    }
  })

  it('does not depend on how documents are batched', async () => {
    const index = await indexOf(model, sae, corpus, options)
    expect(await indexOf(model, sae, corpus, { ...options, batch_tokens: 40 })).toEqual(index)
    const other = await indexOf(model, sae, corpus, { ...options, seed: 6 })
    expect(other.columns.example_doc).not.toEqual(index.columns.example_doc)
  })

  it('takes all SAEs from the same passes, and says why z has no logit effects', async () => {
    const alone = await indexOf(model, sae, corpus, options)
    const passes = model.passes.n
    await indexOf(model, sae, corpus, options)
    const one_index = model.passes.n - passes
    const runners = [slowRunner(sae), slowRunner({ ...sae, hook_name: Z })]
    const both = await indexLatents(model, runners, corpus, options)
    expect(model.passes.n - passes).toBe(2 * one_index)
    const [first, second] = runners.map((runner) => both.get(runner)!)
    expect(first!.columns).toEqual(alone.columns)
    expect(first!.info.logits_absent).toBeUndefined()
    expect(second!.info.logits_absent).toMatch(/hook_z lies before/)
    expect(latentRecord(second!.info, second!.columns, 3).top_logits).toEqual([])
    expect(latentRecord(first!.info, first!.columns, 3).top_logits).toHaveLength(10)
  })

  it('of a transcoder counts what it reads and shows where it writes', async () => {
    const transcoder = { hook_name_out: Z, d_out: d_in } as const
    const alone = await indexOf(model, sae, corpus, options)
    const index = await indexOf(model, { ...sae, transcoder }, corpus, options)
    expect(index.info).toMatchObject({ hook: POST, sites: [POST] })
    expect(index.info.logits_absent).toMatch(/hook_z lies before/)
    for (const name of ['n_active', 'max_act', 'example_start', 'neighbour_index'] as const) {
      expect(index.columns[name]).toEqual(alone.columns[name])
    }
    expect(new Set(index.columns.top_logit_id)).toEqual(new Set([-1]))
  })

  it('comes back from disk as it was, record by record and column by column', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hooke-latents-'))
    const index = await indexOf(model, sae, corpus, options)
    await saveLatents(dir, index)
    const file = await openLatents(dir)
    expect(await file.read()).toEqual(index)
    for (let latent = 0; latent < d_sae; latent++) {
      expect(await file.record(latent)).toEqual(latentRecord(index.info, index.columns, latent))
    }
    expect(await file.column('n_active')).toEqual(index.columns.n_active)
    expect(await file.column('top_token_id')).toEqual(index.columns.top_token_id)
    await expect(file.record(d_sae)).rejects.toThrow(/latent 7 asked, expected 0 to 6/)
    await file.close()
    await rm(dir, { recursive: true })
  })

  it('reads for one record only its rows', async () => {
    const bytes = renderLatents(await indexOf(model, sae, corpus, options))
    const source = openBytes('latents', bytes)
    let n_read = 0
    const counting = {
      ...source,
      read(offset: number, length: number) {
        n_read += length
        return source.read(offset, length)
      },
    }
    const file = await parseLatents(counting)
    n_read = 0
    await file.record(2)
    expect(n_read).toBeLessThan(bytes.length / 4)
  })

  it('refuses a file that is no index', async () => {
    const other = new TextEncoder().encode('\x02\0\0\0\0\0\0\0{}')
    await expect(parseLatents(openBytes('x', other))).rejects.toThrow(/format is unknown/)
  })

  /** [n_tokens of the corpus][d_sae], by the slow encoder; specials stay 0. */
  async function denseActs(): Promise<Float32Array[]> {
    const dense: Float32Array[] = []
    for (let doc = 0; doc + 1 < corpus.doc_start.length; doc++) {
      const start = corpus.doc_start[doc]!
      for (let token = start; token < corpus.doc_start[doc + 1]!; token++) {
        const row = new Float32Array(d_sae)
        dense.push(row)
        const id = corpus.ids[token]!
        if (characters.special_ids.has(id)) continue
        const x = Float32Array.from(
          { length: d_in },
          (_, k) => table[id * d_in + k]! + Math.sin((token - start) * (k + 1)),
        )
        const acts = encode(sae, x)
        for (const [entry, latent] of acts.index.entries()) row[latent] = acts.value[entry]!
      }
    }
    return dense
  }

  /** What the index says of one latent, by definition from all activations at once. */
  function denseTwin(dense: Float32Array[], latent: number) {
    const { context, n_top, n_intervals, per_interval, seed } = options
    const value = (token: number) => dense[token]![latent]!
    const active = [...dense.keys()].filter((token) => value(token) > 0)
    const values = active.map(value)
    const max_act = Math.max(...values)
    const top = 2 ** (Math.floor(Math.log2(max_act)) + 1)
    const counts = Array.from({ length: Math.floor((max_act / top) * 40) + 1 }, () => 0)
    for (const act of values) counts[Math.floor((act / top) * 40)]!++

    const docOf = (token: number) => corpus.doc_start.findLastIndex((start) => start <= token)
    const strongestFirst = (a: number, b: number) => value(b) - value(a) || a - b
    const peaks: number[] = []
    for (const token of active.toSorted(strongestFirst)) {
      const overlaps = (p: number) =>
        docOf(p) === docOf(token) && Math.abs(p - token) <= 2 * context
      if (!peaks.some(overlaps)) peaks.push(token)
    }
    const span = (token: number) => {
      const doc = docOf(token)
      const from = Math.max(corpus.doc_start[doc]! + 1, token - context)
      return [from, Math.min(corpus.doc_start[doc + 1]!, token + context + 1)] as const
    }
    const text = (token: number) =>
      `${token - span(token)[0]} ${corpus.ids.subarray(...span(token)).join(' ')}`
    const texts: string[] = []
    const examples: { interval: number; token: number; values: number[] }[] = []
    const show = (tokens: number[], interval: number) => {
      for (const token of tokens.toSorted(strongestFirst)) {
        const [from, to] = span(token)
        const values = Array.from({ length: to - from }, (_, i) => value(from + i))
        examples.push({ interval, token, values })
      }
    }
    const strongest = peaks.filter((token) => {
      if (texts.length === n_top || texts.includes(text(token))) return false
      return texts.push(text(token))
    })
    show(strongest, 0)
    const n_bins = 4 * n_intervals
    const binOf = (token: number) => Math.floor((value(token) / top) * n_bins)
    const n_used = Math.floor((max_act / top) * n_bins) + 1
    const byPriority = (a: number, b: number) =>
      priorityOf(hash32(seed), latent, a) - priorityOf(hash32(seed), latent, b)
    for (let interval = 1; interval <= n_intervals; interval++) {
      const sample: number[] = []
      for (let bin = 0; bin < n_used; bin++) {
        if (n_intervals - Math.floor((bin * n_intervals) / n_used) !== interval) continue
        const inBin = peaks.filter((token) => binOf(token) === bin)
        sample.push(...inBin.sort(byPriority).slice(0, per_interval))
      }
      const drawn: number[] = []
      for (const token of sample.sort(byPriority)) {
        if (drawn.length === per_interval || texts.includes(text(token))) continue
        texts.push(text(token))
        drawn.push(token)
      }
      show(drawn, interval)
    }
    return {
      statistics: {
        n_active: active.length,
        density: active.length / corpus.ids.filter((id) => id > 2).length,
        max_act,
        histogram: {
          edges: Array.from({ length: counts.length + 1 }, (_, b) => (b * top) / 40),
          counts,
        },
      },
      mean_act: values.reduce((sum, act) => sum + act, 0) / values.length,
      examples,
    }
  }
})

describe('memory', () => {
  it('is set by the number of latents alone, as the budget says', () => {
    const d_sae = 300
    const corpus = corpusOfTexts(['abc'], characters, { n_ctx: 9 })
    const { top, reservoirs, histogram } = makeAccumulator(d_sae, corpus, 4, EXAMPLE_DEFAULTS)
    const arrays = [top.slots, reservoirs.slots].flatMap(({ token, value, key, windows }) => [
      token,
      value,
      key,
      windows,
    ])
    const bytes = [...arrays, histogram].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(indexBytes(d_sae)).toBeGreaterThan(bytes)
    expect(indexBytes(d_sae)).toBeLessThan(bytes * 1.05)
  })
})
