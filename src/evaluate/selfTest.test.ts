/** The self-test finds each planted mistake, and its numbers are those of the plain definitions. */

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BatchSource, corpusOfTexts } from '../activations/index.ts'
import { packageRoot, packageVersion, readText } from '../files/index.ts'
import { type HookName, type Model, openModel, openRandom, padBatch } from '../model/index.ts'
import { loadSae, saveSae, writeMetrics } from '../sae/disk.ts'
import { encode, openRunner, outputSite, type Sae } from '../sae/index.ts'
import { train } from '../train/index.ts'
import { readSelfTest, selfTestFolders } from './disk.ts'
import {
  addToFvu,
  type Claims,
  comparePrecision,
  evaluateSuite,
  fvu,
  fvuSums,
  type SelfTestOptions,
  type SelfTestResult,
  selfTest,
} from './index.ts'
import { badgeOf } from './selfTestBadge.ts'
import { SELF_TEST_TEXT } from './selfTestText.ts'

const READ: HookName = 'blocks.3.hook_resid_post'
const NORMALIZED: HookName = 'blocks.2.ln2.hook_normalized'
const WRITTEN: HookName = 'blocks.2.hook_mlp_out'
/** Sites under whose names activations are trained on that a pass does not give: scaled, and with the norm's gain. */
const STAND_INS = { unit: 'hook_embed', gained: 'blocks.5.hook_mlp_out' } as const

let model: Model
/** Documents that SAEs are trained on, and others that their releases' claims are measured on; none of the self-test's own. */
let documents: Int32Array[]
let held_out: Int32Array[]
let folder: string
let sae: Sae
let claims: Required<Omit<Claims, 'delta_ce_loss'>>
let transcoder: Sae
let wantsUnit: Sae
let wantsGain: Sae

beforeAll(async () => {
  model = await openModel('thimble-5m', { threads: 1 })
  folder = await mkdtemp(join(tmpdir(), 'hooke-self-test-'))
  const text = await readText(join(packageRoot(), 'models/thimble-5m/anthology.txt'))
  const all = text
    .split('<|endoftext|>')
    .slice(0, 60)
    .map((document) => model.tokenizer!.tokenize(document).slice(0, 129))
  documents = all.slice(12)
  held_out = all.slice(0, 12)
  ;[sae, transcoder, wantsUnit, wantsGain] = await trainAll()
  claims = await claimsOf(sae)
}, 120_000)
afterAll(async () => {
  await rm(folder, { recursive: true })
  await model.close()
})

/** A gain [256] that tells: that of the bundled model's norm is nearly flat, those of larger models are not. */
const GAIN = Float32Array.from({ length: 256 }, (_, i) => 3 + 2.9 * Math.sin(i * i))

/** Rows [n, d] of a site on documents, from token `first` on. */
async function rowsAt(
  hook: HookName,
  docs: readonly Int32Array[],
  first = 1,
): Promise<Float32Array> {
  const parts: Float32Array[] = []
  for (const ids of docs) {
    const { data, d } = (await model.forward(padBatch([ids]), { hooks: [hook] })).acts.get(hook)!
    parts.push(data.slice(first * d))
  }
  const rows = new Float32Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    rows.set(part, at)
    at += part.length
  }
  return rows
}

/** Rows [n, 256] divided by their norms. */
function unitRows(x: Float32Array): Float32Array {
  return x.map((value, i) => {
    const start = i - (i % 256)
    return value / Math.sqrt(dot(x.subarray(start, start + 256), x.subarray(start, start + 256)))
  })
}

/** An SAE, a transcoder, an SAE of inputs of norm 1, and one of the MLP's inputs with the norm's gain: one short training. */
async function trainAll(): Promise<[Sae, Sae, Sae, Sae]> {
  const x = await rowsAt(READ, documents)
  const normalized = await rowsAt(NORMALIZED, documents)
  const acts = new Map<HookName, Float32Array>([
    [READ, x],
    [NORMALIZED, normalized],
    [WRITTEN, await rowsAt(WRITTEN, documents)],
    [STAND_INS.unit, unitRows(x)],
    [STAND_INS.gained, normalized.map((value, i) => value * GAIN[i % 256]!)],
  ])
  const spec = { d_sae: 320, l0: 20 }
  const { saes } = await train({
    source: sourceOf(acts),
    saes: [
      { hook: READ, ...spec },
      { hook: NORMALIZED, hook_out: WRITTEN, ...spec },
      { hook: STAND_INS.unit, ...spec },
      { hook: STAND_INS.gained, ...spec },
    ],
    out: join(folder, 'suite'),
    ...{ batch_size: 256, n_tokens: 256 * 250, seed: 3, threads: 1 },
  })
  const loaded = await Promise.all(
    saes.map(async (one) => ({ ...(await loadSae(one.folder)), metadata: {} })),
  )
  return [
    loaded[0]!,
    loaded[1]!,
    { ...loaded[2]!, hook_name: READ },
    { ...loaded[3]!, hook_name: NORMALIZED },
  ]
}

/** Rows in memory, shuffled by a seed, as a source of training batches. */
function sourceOf(acts: ReadonlyMap<HookName, Float32Array>): BatchSource {
  const n = acts.get(READ)!.length / 256
  return {
    hooks: [...acts.keys()],
    width: () => 256,
    norm: (hook) => Math.sqrt(dot(acts.get(hook)!, acts.get(hook)!) / n),
    n_tokens: n,
    hash: 'rows in memory',
    async *batches({ batch_size, seed, first_batch = 0 }) {
      for (let index = first_batch; ; index++) {
        const random = openRandom(seed, index)
        const chosen = Array.from({ length: batch_size }, () => Math.floor(random() * n))
        const taken = [...acts].map(([hook, rows]) => {
          const out = new Float32Array(batch_size * 256)
          for (const [i, row] of chosen.entries()) {
            out.set(rows.subarray(row * 256, (row + 1) * 256), i * 256)
          }
          return [hook, out] as const
        })
        yield { n_tokens: batch_size, acts: new Map(taken) }
      }
    },
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function meanRow(x: Float32Array): Float64Array {
  const mean = new Float64Array(256)
  for (let i = 0; i < x.length; i++) mean[i % 256]! += (x[i]! * 256) / x.length
  return mean
}

/** What a release would say: L0 and FVU on held-out documents, or on other activations of them. */
async function claimsOf(
  one: Sae,
  x?: Float32Array,
  y?: Float32Array,
): Promise<Required<Omit<Claims, 'delta_ce_loss'>>> {
  const input = x ?? (await rowsAt(one.hook_name, held_out))
  const output =
    y ?? (one.transcoder === undefined ? input : await rowsAt(outputSite(one).hook, held_out))
  const runner = await openRunner(one, { threads: 1 })
  const acts = await runner.encode(input)
  const sums = fvuSums(output.slice(0, outputSite(one).d))
  addToFvu(sums, output, await runner.decode(acts, input))
  await runner.close()
  return { l0: acts.index.length / acts.n, fvu: fvu(sums)! }
}

async function test(
  one: Sae,
  claimed: Claims,
  options: SelfTestOptions = {},
): Promise<SelfTestResult> {
  const [result] = await selfTest(model, [{ sae: one, claims: claimed }], {
    max_tokens: 400,
    threads: 1,
    ...options,
  })
  return result!
}

/** An SAE that wants its inputs times a factor; on those it does what the original does on plain ones. */
const wantsScaled = (one: Sae, factor: number): Sae => ({
  ...one,
  b_enc: one.b_enc.map((value) => value * factor),
  threshold: one.threshold.map((value) => value * factor),
  b_dec: one.b_dec.map((value) => value * factor),
})

/** `b_enc + sign b_dec W_enc` */
function withBias(one: Sae, sign: 1 | -1): Sae {
  const b_enc = one.b_enc.map((bias, latent) => {
    let shift = 0
    for (let i = 0; i < one.d_in; i++) shift += one.b_dec[i]! * one.W_enc[i * one.d_sae + latent]!
    return bias + sign * shift
  })
  return { ...one, b_enc }
}

/** The same with more latents, each reading one direction; all but the first write nothing. */
function withBank(
  one: Sae,
  {
    n,
    direction,
    bias,
    writes,
  }: { n: number; direction: ArrayLike<number>; bias: number; writes?: Float32Array },
): Sae {
  const { d_in, d_sae } = one
  const wide = d_sae + n
  const W_enc = new Float32Array(d_in * wide)
  for (let i = 0; i < d_in; i++) {
    W_enc.set(one.W_enc.subarray(i * d_sae, (i + 1) * d_sae), i * wide)
    W_enc.fill(direction[i]!, i * wide + d_sae, (i + 1) * wide)
  }
  const W_dec = new Float32Array(wide * d_in)
  W_dec.set(one.W_dec)
  if (writes !== undefined) W_dec.set(writes, d_sae * d_in)
  const longer = (values: Float32Array, fill: number) => {
    const all = new Float32Array(wide).fill(fill)
    all.set(values)
    return all
  }
  return {
    ...one,
    d_sae: wide,
    W_enc,
    W_dec,
    b_enc: longer(one.b_enc, bias),
    threshold: longer(one.threshold, 0),
  }
}

describe('the numbers', () => {
  it('are those of the evaluation, token for token', async () => {
    const texts = SELF_TEST_TEXT.slice(0, 3)
    const results = await selfTest(
      model,
      [sae, transcoder].map((one) => ({ sae: one, claims: {} })),
      { texts, threads: 1, batch_tokens: 700 },
    )
    const corpus = corpusOfTexts(texts, model.tokenizer!, { n_ctx: model.config.n_ctx })
    const runners = await Promise.all(
      [sae, transcoder].map((one) => openRunner(one, { threads: 1 })),
    )
    const metrics = await evaluateSuite(model, runners, corpus, {
      zero_tokens: 0,
      importance_tokens: 0,
    })
    for (const [i, runner] of runners.entries()) {
      const expected = metrics.get(runner)!
      const found = results[i]!
      expect(found).toMatchObject({
        n_tokens: expected.n_tokens,
        n_excluded: expected.n_excluded,
        absent: {},
      })
      expect(found.l0).toBeCloseTo(expected.l0, 2) // other batches round otherwise
      expect(found.fvu).toBeCloseTo(expected.fvu!, 6)
      expect(found.ce_loss).toBeCloseTo(expected.ce_loss!, 5)
      expect(found.delta_ce_loss).toBeCloseTo(expected.delta_ce_loss!, 5)
      await runner.close()
    }
  })

  it('count no more tokens than asked, and say what was left out', async () => {
    const result = await test(sae, claims, { max_tokens: 222 })
    expect(result).toMatchObject({
      n_tokens: 222,
      n_excluded: 1,
      model: 'thimble-5m',
      claimed_l0: claims.l0,
    })
    expect(result.model_hash).toBe(model.hash)
  })

  it('that could not be computed are absent, with the reason', async () => {
    const result = await test({ ...sae, hook_name: NORMALIZED }, {})
    expect(result).not.toHaveProperty('delta_ce_loss')
    expect(result).not.toHaveProperty('claimed_l0')
    expect(result.absent.delta_ce_loss).toContain(
      'does not go on from blocks.2.ln2.hook_normalized',
    )
    expect(result.notes.join()).toContain('claims no L0')
    const single = await test(sae, {}, { texts: ['I'] })
    expect(single.n_tokens).toBe(1)
    expect(single.absent.fvu).toContain('same on all 1 tokens')
  })

  it('are refused without a tokenizer, and for an SAE of another model', async () => {
    const { tokenizer: _, ...mute } = model
    const subject = { sae, claims }
    await expect(selfTest({ ...mute, tokenizer: undefined }, [subject])).rejects.toThrow(
      /no tokenizer/,
    )
    const narrow = { ...sae, d_in: 200, b_dec: sae.b_dec.slice(0, 200) }
    await expect(selfTest(model, [{ sae: narrow, claims }])).rejects.toThrow(/width 256/)
  })
})

describe('the badge', () => {
  it('is green for an SAE that does what its release says, and nothing is searched', async () => {
    expect(await test(sae, claims)).toMatchObject({ badge: 'green', causes: [], notes: [] })
  })

  it('is red where L0 is far from the claim, though no alternative fits', async () => {
    const far = claims.l0 / 4
    expect(await test(sae, { l0: far })).toMatchObject({ badge: 'red', claimed_l0: far })
  })
})

describe('a planted mistake is named first', () => {
  const sites: HookName[] = [
    'blocks.2.hook_resid_post',
    'blocks.4.hook_resid_post',
    'blocks.3.hook_mlp_out',
    'blocks.3.hook_attn_out',
  ]
  it.each(sites)('the SAE is said to read %s', async (hook_name) => {
    const result = await test({ ...sae, hook_name }, claims)
    expect(result.badge).not.toBe('green')
    expect(result.causes[0]).toMatchObject({ kind: 'hook', hook_name: READ })
    expect(result.causes[0]!.says).toMatch(
      /^fits (far )?better at blocks\.3\.hook_resid_post: L0 \d+, FVU 0\.\d+ instead of/,
    )
    expect(result.causes[0]!.fvu).toBeLessThan(result.fvu!)
  })

  it('a site that wide bounds would let through, as the release says nothing', async () => {
    const hook_name = 'blocks.2.hook_resid_post'
    const found = await test({ ...sae, hook_name }, {})
    expect(badgeOf(found, {})).toBe('green')
    expect(found.badge).toBe('amber')
    expect(found.causes).toMatchObject([{ kind: 'hook', hook_name: READ }])
  })

  it('a transcoder reads the residual stream without the norm, or writes the wrong site, or is of another layer', async () => {
    const [reads, writes] = [NORMALIZED, WRITTEN]
    const claimed = await claimsOf(transcoder)
    expect((await test(transcoder, claimed)).badge).toBe('green')
    const raw = await test({ ...transcoder, hook_name: 'blocks.2.hook_resid_mid' }, claimed)
    expect(raw.causes[0]).toMatchObject({ kind: 'hook', hook_name: reads })
    const to = (hook_name_out: HookName) => ({ hook_name_out, d_out: 256 })
    const elsewhere = await test(
      { ...transcoder, transcoder: to('blocks.2.hook_attn_out') },
      claimed,
    )
    expect(elsewhere.causes[0]).toMatchObject({
      kind: 'hook',
      hook_name: reads,
      hook_name_out: writes,
    })
    const shifted: Sae = {
      ...transcoder,
      hook_name: 'blocks.3.ln2.hook_normalized',
      transcoder: to('blocks.3.hook_mlp_out'),
    }
    expect((await test(shifted, claimed)).causes[0]).toMatchObject({
      kind: 'hook',
      hook_name: reads,
      hook_name_out: writes,
    })
  })

  it('a transcoder was taken for an SAE', async () => {
    const { transcoder: _, ...taken } = transcoder
    const result = await test(taken, await claimsOf(transcoder))
    expect(result.causes[0]).toMatchObject({
      kind: 'hook',
      hook_name: NORMALIZED,
      hook_name_out: WRITTEN,
    })
  })

  it('the scale: inputs times sqrt(d), and times a factor without a rule', async () => {
    const root = await test(wantsScaled(sae, 16), claims)
    expect(root.badge).toBe('red')
    expect(root.causes[0]).toMatchObject({ kind: 'scale', scale: 16 })
    expect(root.causes[0]!.says).toContain('multiplied by sqrt(d)')
    const fitted = await test(wantsScaled(sae, 0.11), claims)
    expect(fitted.causes[0]!.kind).toBe('scale')
    expect(fitted.causes[0]!.says).toContain('(fitted)')
    expect(fitted.causes[0]!.scale! / 0.11).toBeGreaterThan(0.75)
    expect(fitted.causes[0]!.scale! / 0.11).toBeLessThan(1.35)
  })

  it('the scale: every input divided by its own norm', async () => {
    const unit = unitRows(await rowsAt(READ, held_out))
    const result = await test(wantsUnit, await claimsOf(wantsUnit, unit, unit))
    expect(result.badge).toBe('red')
    expect(result.causes[0]).toMatchObject({ kind: 'scale' })
    expect(result.causes[0]!.says).toContain('divided by its own norm')
  })

  it('b_dec is to be subtracted from the input, or was twice', async () => {
    const wants = await test(withBias(sae, 1), claims)
    expect(wants.causes[0]).toMatchObject({ kind: 'b_dec' })
    expect(wants.causes[0]!.says).toContain('b_dec subtracted from the input')
    const twice = await test(withBias(sae, -1), claims)
    expect(twice.causes[0]).toMatchObject({ kind: 'b_dec' })
    expect(twice.causes[0]!.says).toContain('subtracted twice')
  })

  it("the norm's gain belongs into the input, where the gain is at hand", async () => {
    const x = (await rowsAt(NORMALIZED, held_out)).map((value, i) => value * GAIN[i % 256]!)
    const claimed = await claimsOf(wantsGain, x, x)
    const result = await test(wantsGain, claimed, { mlpNorm: async () => ({ gain: GAIN }) })
    expect(result.badge).not.toBe('green')
    expect(result.causes[0]).toMatchObject({ kind: 'norm_gain', hook_name: NORMALIZED })
    const without = await test(wantsGain, claimed)
    expect(without.notes.join()).toContain('gain of the norm before the MLP was not at hand')
  })

  it('BOS was counted among the tokens', async () => {
    const bos = await rowsAt(READ, [documents[0]!.slice(0, 1)], 0)
    const mean = meanRow(await rowsAt(READ, held_out))
    const away = Float64Array.from(bos, (value, i) => value - mean[i]!)
    const square = dot(away, away)
    const direction = Float64Array.from(away, (value) => value / square)
    const runner = await openRunner(sae, { threads: 1 })
    const recon = await runner.decode(await runner.encode(bos))
    await runner.close()
    const banked = withBank(sae, {
      ...{ n: 1500, direction, bias: -dot(direction, mean) - 0.9 },
      writes: recon.map((value, i) => 10 * (bos[i]! - value)), // its activation there is 0.1
    })
    const everything = await rowsAt(READ, held_out, 0)
    const claimed = await claimsOf(banked, everything)
    const result = await test(banked, { l0: claimed.l0 })
    expect(result.l0).toBeLessThan(claimed.l0 / 1.35)
    expect(result.causes[0]).toMatchObject({ kind: 'bos' })
    expect(result.causes[0]!.says).toContain('BOS counted')
  })

  it('the text should have no BOS in front', async () => {
    const bare = held_out.map((ids) => ids.slice(1))
    const [with_bos, without] = [await rowsAt(READ, held_out), await rowsAt(READ, bare, 0)]
    const [a, b] = [meanRow(with_bos), meanRow(without)]
    const direction = Float64Array.from(b, (value, i) => value - a[i]!)
    const middle = Float64Array.from(b, (value, i) => (value + a[i]!) / 2)
    const banked = withBank(sae, { n: 700, direction, bias: -dot(direction, middle) })
    const claimed = await claimsOf(banked, without)
    const result = await test({ ...banked, metadata: { prepend_bos: false } }, claimed)
    expect(result.badge).not.toBe('green')
    expect(result.causes[0]).toMatchObject({ kind: 'bos' })
    expect(result.causes[0]!.says).toContain('without BOS in front')
    expect(result.notes.join()).toContain('prepend_bos false')
  })

  it('and where nothing fits, that is said', async () => {
    const W_enc = sae.W_enc.map((_, i, all) => all[(i * 31) % all.length]!)
    const lost = await test({ ...sae, W_enc }, claims)
    expect(lost.badge).toBe('red')
    expect(lost.causes).toEqual([])
    expect(lost.notes.join()).toMatch(/None of \d+ other sites/)
  })

  it('an L0 beyond hope is not measured to the end', async () => {
    const hopeless = withBank(sae, { n: 560, direction: new Float32Array(256), bias: 1 })
    const texts = SELF_TEST_TEXT.slice(0, 3).map((text) => text.slice(0, 200))
    const result = await test(hopeless, claims, { texts, batch_tokens: 70 })
    expect(result.badge).toBe('red')
    const [first] = texts.map((text) => model.tokenizer!.tokenize(text).length - 1)
    expect(result.n_tokens).toBe(first)
    expect(result.notes[0]).toContain(`stopped after ${result.n_tokens} tokens`)
  })
})

describe('on disk', () => {
  const run = async (...folders: string[]) => {
    const results = []
    const options = { max_tokens: 300, threads: 1 }
    for await (const one of selfTestFolders(model, folders, options)) results.push(one)
    return results
  }

  it("takes the claim from metrics.json of an SAE trained here, else from the folder's name, else from cfg.json", async () => {
    const trained = join(folder, 'trained/l0_5')
    const training = { n_tokens: 1 }
    await saveSae(trained, { ...sae, metadata: { training } })
    const metrics = { n_tokens: 10, l0: 31.5, fvu: 0.25, delta_ce_loss: 0.5 }
    await writeMetrics(trained, metrics as never)
    const named = join(folder, 'average_l0_31')
    await saveSae(named, sae)
    await writeMetrics(named, metrics as never)
    const told = join(folder, 'layer_3_width_96_l0_small')
    await saveSae(told, { ...sae, metadata: { l0: 29 } })
    const silent = join(folder, 'silent')
    await saveSae(silent, sae)
    const results = await run(trained, named, told, silent)
    expect(results.map((one) => one.folder)).toEqual([trained, named, told, silent])
    expect(results.map(({ result }) => [result.claims_from, result.claimed_l0])).toEqual([
      ['metrics.json', 31.5],
      ["the folder's name", 31],
      ['cfg.json', 29],
      [undefined, undefined],
    ])
    expect(results[0]!.result).toMatchObject({ claimed_fvu: 0.25, claimed_delta_ce_loss: 0.5 })
    for (const { folder: at, result } of results) {
      expect(await readSelfTest(at)).toEqual(result)
      expect(result.version).toBe(packageVersion())
    }
  })

  it('says what is wrong with a file that is not its own, and of an SAE without one nothing', async () => {
    const own = join(folder, 'damaged')
    expect(await readSelfTest(own)).toBeUndefined()
    await cp(join(folder, 'silent'), own, { recursive: true })
    await writeFile(join(own, 'self_test.json'), '{"badge":"blue"}')
    await expect(readSelfTest(own)).rejects.toThrow(/self_test\.json.*badge.*hooke check/)
  })
})

describe('two precisions of a model', () => {
  it('are the same where the weights are', async () => {
    const same = await comparePrecision(model, model, { max_tokens: 301 })
    expect(same).toMatchObject({ n_tokens: 301, kl: 0, kl_max: 0, top1_agreement: 1 })
    expect(same.ce_loss).toBe(same.ce_loss_reference)
  })

  it('differ by hand: all probability moved by one logit', async () => {
    const texts = [SELF_TEST_TEXT[1]!]
    const { d_vocab } = model.config
    const changed: Model = {
      ...model,
      forward: async (batch, options) => {
        const result = await model.forward(batch, options)
        const logits = result.logits!.slice()
        for (let at = 7; at < logits.length; at += d_vocab) logits[at]! += 40
        return { ...result, logits }
      },
    }
    const found = await comparePrecision(model, changed, { texts, max_tokens: 41 })
    const ids = model.tokenizer!.tokenize(texts[0]!).slice(0, 42)
    const { logits } = await model.forward(padBatch([ids]), { logits: true })
    let [kl, agreed] = [0, 0]
    for (let row = 0; row < 41; row++) {
      const own = logits!.subarray(row * d_vocab, (row + 1) * d_vocab)
      const sum = own.reduce((total, logit) => total + Math.exp(logit), 0)
      const p7 = Math.exp(own[7]!) / sum
      // log q = logit - ln(sum + p7's share grown by e^40): KL = ln(1 + p7 (e^40 - 1)) - 40 p7
      kl += Math.log1p(p7 * Math.expm1(40)) - 40 * p7
      if (own.indexOf(Math.max(...own)) === 7) agreed++
    }
    expect(found.n_tokens).toBe(41)
    expect(found.kl).toBeCloseTo(kl / 41, 4)
    expect(found.top1_agreement).toBe(agreed / 41)
    expect(found.ce_loss).toBeGreaterThan(found.ce_loss_reference)
  })

  it('of other vocabularies are refused', async () => {
    const other = { ...model, config: { ...model.config, d_vocab: 99 } }
    await expect(comparePrecision(model, other)).rejects.toThrow(/99 tokens in its vocabulary/)
  })
})

it('the built-in text is some thousands of tokens, none of it twice, all of it known to the encoder', () => {
  const counts = SELF_TEST_TEXT.map((text) => model.tokenizer!.tokenize(text).length - 1)
  const n = counts.reduce((sum, count) => sum + count, 0)
  expect(n).toBeGreaterThan(3500)
  expect(n).toBeLessThan(6000)
  expect(new Set(SELF_TEST_TEXT).size).toBe(SELF_TEST_TEXT.length)
  expect(encode(sae, new Float32Array(256)).n).toBe(1)
})
