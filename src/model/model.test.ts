import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose, openGolden } from '../../test/golden.ts'
import { openFolder, packageRoot } from '../files/index.ts'
import { parseSafetensors, toFloat32 } from '../formats/index.ts'
import { padBatch } from './batch.ts'
import { type HookName, isReadOnly } from './hooks.ts'
import { crossEntropy, normalize } from './logits.ts'
import { openModel } from './openModel.ts'
import type { HookActs, HookEdit } from './types.ts'

const TINY = join(packageRoot(), 'test/fixtures/gemma2-tiny')
const THIMBLE = join(packageRoot(), 'models/thimble-5m')

/** Google's own code in fp32 on the same bf16 weights; the maker stands in each folder's notes. */
const GOLDEN_TOLERANCE = 2e-5
/** Between two runs of ours that differ only in how the work is cut up. */
const SELF_TOLERANCE = 1e-5

const tiny = await openModel(TINY, { threads: 1 })
afterAll(() => tiny.close())

/** Rows 0 .. length of sequence `seq`. */
const row = ({ data, seq_len, d }: HookActs, seq: number, length: number): Float32Array =>
  data.subarray(seq * seq_len * d, (seq * seq_len + length) * d)

describe.each([TINY, THIMBLE])('golden %s', (folder) => {
  it('equals the reference at every hook, in logits and in losses', async () => {
    const golden = await openGolden(folder)
    const model = await openModel(folder, { threads: 1 })
    const hooks = model.hooks.filter((hook) => golden.names.has(hook))
    expect(hooks).toHaveLength(1 + 4 * model.config.n_layers)
    const result = await model.forward(padBatch(golden.sequences), {
      hooks,
      logits: true,
      loss: true,
    })
    for (const hook of hooks) {
      const values = await golden.values(hook)
      expectClose(result.acts.get(hook)?.data, values, GOLDEN_TOLERANCE, hook)
    }
    expectClose(result.logits, await golden.values('logits'), GOLDEN_TOLERANCE, 'logits')
    const losses = await golden.values('next_token_loss')
    expectClose(result.next_token_loss, losses, GOLDEN_TOLERANCE, 'next_token_loss')
    await model.close()
  })
})

describe.each([TINY, THIMBLE])('the normalized MLP input of %s', (folder) => {
  it("is the reference's resid_mid over its root mean square, in f64 and without the gain", async () => {
    const golden = await openGolden(folder)
    const model = await openModel(folder, { threads: 1 })
    const { n_layers, d_model, norm_eps } = model.config
    const hooks = model.hooks.filter(isReadOnly)
    expect(hooks).toHaveLength(n_layers)
    const { acts } = await model.forward(padBatch(golden.sequences), { hooks })
    for (const [layer, hook] of hooks.entries()) {
      const stream = layer === 0 ? 'blocks.0.hook_resid_pre' : `blocks.${layer - 1}.hook_resid_post`
      const resid_pre = await golden.values(stream)
      const attn_out = await golden.values(`blocks.${layer}.hook_attn_out`)
      const resid_mid = Float64Array.from(resid_pre, (value, i) => value + attn_out[i]!)
      const expected = new Float32Array(resid_mid.length)
      for (let row = 0; row < resid_mid.length; row += d_model) {
        const x = resid_mid.subarray(row, row + d_model)
        const mean_square = x.reduce((sum, value) => sum + value * value, 0) / d_model
        x.forEach((value, j) => {
          expected[row + j] = value / Math.sqrt(mean_square + norm_eps)
        })
      }
      expectClose(acts.get(hook)!.data, expected, GOLDEN_TOLERANCE, hook)
    }
    await model.close()
  })
})

it("the normalized MLP input times the norm's gain is what the reference feeds the MLP", async () => {
  const golden = await openGolden(TINY)
  const checkpoint = await parseSafetensors((await openFolder(TINY).open('model.safetensors'))!)
  const hooks = tiny.hooks.filter(isReadOnly)
  const { acts } = await tiny.forward(padBatch(golden.sequences), { hooks })
  for (const [layer, hook] of hooks.entries()) {
    const name = `model.layers.${layer}.pre_feedforward_layernorm.weight`
    const w = toFloat32(await checkpoint.read(name))
    const scaled = acts.get(hook)!.data.map((value, i) => value * (1 + w[i % w.length]!))
    expectClose(scaled, await golden.values(`${hook}_scaled`), GOLDEN_TOLERANCE, hook)
  }
})

describe('forward', async () => {
  const golden = await openGolden(TINY)
  const [first, second] = [golden.sequences[0]!, golden.sequences[1]!]

  it('gives a padded batch the values of single runs', async () => {
    const sequences = [first.slice(0, 7), second.slice(0, 33), first.slice(3, 4)]
    const options = { hooks: tiny.hooks, logits: true, loss: true }
    const together = await tiny.forward(padBatch(sequences), options)
    for (const [seq, sequence] of sequences.entries()) {
      const alone = await tiny.forward(padBatch([sequence]), options)
      for (const hook of tiny.hooks) {
        const expected = alone.acts.get(hook)!.data
        const found = row(together.acts.get(hook)!, seq, sequence.length)
        expectClose(found, expected, SELF_TOLERANCE, `${hook} of sequence ${seq}`)
      }
      const losses = together.next_token_loss!.subarray(seq * 32, seq * 32 + 32)
      const real = sequence.length - 1
      expectClose(losses.subarray(0, real), alone.next_token_loss!, SELF_TOLERANCE, 'losses')
      expect([...losses.subarray(real)].every(Number.isNaN)).toBe(true)
    }
  })

  it('gives the last logits of each row, whatever its length', async () => {
    const batch = padBatch([first.slice(0, 5), second])
    const { logits } = await tiny.forward(batch, { logits: true })
    const { logits: last } = await tiny.forward(batch, { logits: 'last' })
    const d = tiny.config.d_vocab
    expectClose(last?.subarray(0, d), logits!.subarray(4 * d, 5 * d), SELF_TOLERANCE)
    expectClose(last?.subarray(d), logits!.subarray((40 + 39) * d), SELF_TOLERANCE)
  })

  it('equals the full pass when the text comes in pieces through a KV cache', async () => {
    // Longer than the sliding window of 12, in pieces of unequal length, two rows at once.
    const full = await tiny.forward(padBatch([first, second]), { hooks: tiny.hooks, logits: true })
    const cache = tiny.openCache(2)
    const d = tiny.config.d_vocab
    for (const [from, to] of [
      [0, 5],
      [5, 6],
      [6, 21],
      [21, 22],
      [22, 40],
    ] as const) {
      const piece = padBatch([first.slice(from, to), second.slice(from, to)])
      const part = await tiny.forward(piece, { cache, hooks: tiny.hooks, logits: true })
      for (const seq of [0, 1]) {
        for (const hook of tiny.hooks) {
          const acts = part.acts.get(hook)!
          expect(acts.start).toBe(from)
          const whole = row(full.acts.get(hook)!, seq, to).subarray(from * acts.d)
          expectClose(row(acts, seq, to - from), whole, SELF_TOLERANCE, `${hook} at ${from}`)
        }
        const logits = part.logits!.subarray(seq * (to - from) * d, (seq + 1) * (to - from) * d)
        expectClose(
          logits,
          full.logits!.subarray((seq * 40 + from) * d, (seq * 40 + to) * d),
          SELF_TOLERANCE,
        )
      }
    }
    expect(cache.length).toBe(40)
  })

  it('has losses equal to the slow cross-entropy of its logits', async () => {
    const { logits, next_token_loss } = await tiny.forward(padBatch([first]), {
      logits: true,
      loss: true,
    })
    const slow = new Float32Array(39)
    crossEntropy(logits!.subarray(0, 39 * tiny.config.d_vocab), first.slice(1), slow)
    expectClose(next_token_loss, slow, SELF_TOLERANCE)
  })

  it('returns x / rms(x) at ln_final.hook_normalized, and its edit reaches the logits', async () => {
    const site: HookName = 'ln_final.hook_normalized'
    const post = await tiny.forward(padBatch([first]), {
      hooks: [site, 'blocks.3.hook_resid_post'],
    })
    const resid = post.acts.get('blocks.3.hook_resid_post')!.data
    expectClose(post.acts.get(site)?.data, normalize(resid, tiny.config), SELF_TOLERANCE)
    const zero: HookEdit = { hook: site, apply: ({ data }) => void data.fill(0) }
    const { logits } = await tiny.forward(padBatch([first]), { edits: [zero], logits: true })
    expect(logits!.every((logit) => logit === 0)).toBe(true)
  })

  it('stops after the last hook that was asked for', async () => {
    const reached: string[] = []
    const editable = tiny.hooks.filter((hook) => !isReadOnly(hook))
    const edits = editable.map((hook) => ({ hook, apply: () => void reached.push(hook) }))
    await tiny.forward(padBatch([first]), { hooks: ['blocks.1.attn.hook_z'], edits })
    expect(reached.at(-1)).toBe('blocks.1.attn.hook_z')
    reached.length = 0
    await tiny.forward(padBatch([first]), {
      hooks: ['blocks.1.hook_resid_pre', 'hook_embed'],
      edits,
    })
    expect(reached.at(-1)).toBe('blocks.1.hook_resid_pre')
    reached.length = 0
    await tiny.forward(padBatch([first]), { edits, loss: true })
    expect(reached).toEqual(editable)
  })

  it('runs the edits of one site in the order given', async () => {
    const hook: HookName = 'blocks.2.hook_mlp_out'
    const double: HookEdit = {
      hook,
      apply: ({ data }) => data.set(data.map((x) => 2 * x)),
    }
    const one: HookEdit = { hook, apply: ({ data }) => void data.fill(1) }
    const { acts } = await tiny.forward(padBatch([first]), { hooks: [hook], edits: [one, double] })
    expect(acts.get(hook)?.data.every((value) => value === 2)).toBe(true)
  })

  it('refuses what it cannot run, and says what to do', async () => {
    const run = (ids: number[], options = {}) =>
      tiny.forward(padBatch([Int32Array.from(ids)]), options)
    await expect(run([2, 320])).rejects.toThrow(
      'token id 320 at row 0, column 1, expected 0 to 319',
    )
    await expect(run(Array(129).fill(2))).rejects.toThrow('129 tokens, expected at most n_ctx 128')
    await expect(run([2], { hooks: ['blocks.4.hook_mlp_out'] })).rejects.toThrow(
      'there is no hook "blocks.4.hook_mlp_out"',
    )
    const cache = tiny.openCache(1, 3)
    await expect(run([2, 5, 6, 7], { cache })).rejects.toThrow('the cache holds 0 of 3 tokens')
    await expect(tiny.forward(padBatch([first, second]), { cache })).rejects.toThrow(
      'the batch has 2 rows, the cache 1',
    )
    expect(() => padBatch([])).toThrow('no sequence given')
    expect(() => padBatch([first, new Int32Array(0)])).toThrow('sequence 1 has no tokens')
    expect(() => tiny.openCache(1, 129)).toThrow('n_ctx 128')
  })

  it('stops when its signal says so and leaves the cache as it was', async () => {
    const stop = new AbortController()
    const cache = tiny.openCache(1)
    const edit: HookEdit = { hook: 'blocks.2.hook_resid_post', apply: () => stop.abort() }
    const run = tiny.forward(padBatch([first]), { cache, edits: [edit], signal: stop.signal })
    await expect(run).rejects.toThrow('aborted')
    expect(cache.length).toBe(0)
  })
})

describe('unembedding', () => {
  it('gives the logits before the softcap from ln_final.hook_normalized', async () => {
    const { d_model, d_vocab, final_softcap } = tiny.config
    const golden = await openGolden(TINY)
    const { acts, logits } = await tiny.forward(padBatch([golden.sequences[1]!]), {
      hooks: ['ln_final.hook_normalized'],
      logits: true,
    })
    const U = await tiny.unembedding()
    expect(U).toHaveLength(d_vocab * d_model)
    const x = acts.get('ln_final.hook_normalized')!.data
    const slow = Float32Array.from({ length: 3 * d_vocab }, (_, i) => {
      const [t, id] = [Math.floor(i / d_vocab), i % d_vocab]
      let sum = 0
      for (let j = 0; j < d_model; j++) sum += x[t * d_model + j]! * U[id * d_model + j]!
      return final_softcap * Math.tanh(sum / final_softcap)
    })
    expectClose(logits!.subarray(0, 3 * d_vocab), slow, SELF_TOLERANCE)
  })
})

describe('hash', () => {
  it('is the same at every opening', async () => {
    const again = await openModel(TINY, { threads: 1 })
    expect(again.hash).toBe(tiny.hash)
    expect(tiny.hash).toMatch(/^[0-9a-f]{64}$/)
    await again.close()
  })
})
