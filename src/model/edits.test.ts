/** What an edit claims: the rest of the model computes as if the site had had that value. */

import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose, openGolden } from '../../test/golden.ts'
import { packageRoot } from '../files/index.ts'
import { padBatch } from './batch.ts'
import { type HookName, isReadOnly } from './hooks.ts'
import { normalize } from './logits.ts'
import { openModel } from './openModel.ts'
import type { HookActs, HookEdit } from './types.ts'

const TINY = join(packageRoot(), 'test/fixtures/gemma2-tiny')
const TOLERANCE = 1e-5
const model = await openModel(TINY, { threads: 1 })
afterAll(() => model.close())
const golden = await openGolden(TINY)
const batch = padBatch([golden.sequences[0]!, golden.sequences[1]!.slice(0, 23)])
const plain = await model.forward(batch, { hooks: model.hooks, logits: true })
const values = (hook: HookName): Float32Array => plain.acts.get(hook)!.data
const editable = model.hooks.filter((hook) => !isReadOnly(hook))
const post: HookName = 'blocks.2.hook_resid_post'

/** A smooth, seeded displacement of the size of the activations. */
const delta = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37) * 0.5)

const add = (hook: HookName): HookEdit => ({
  hook,
  apply: ({ data }) => data.set(sum(data, delta(data.length))),
})

const sum = (a: Float32Array, b: Float32Array): Float32Array => a.map((x, i) => x + b[i]!)

describe('edits', () => {
  it.each(editable)('that change nothing at %s leave the logits as they were', async (hook) => {
    const edit: HookEdit = { hook, apply: ({ data }) => data.set(data.slice()) }
    const { logits } = await model.forward(batch, { edits: [edit], logits: true })
    expectClose(logits, plain.logits!, TOLERANCE)
  })

  it.each(editable)('at %s return the edited value and leave earlier sites alone', async (hook) => {
    const { acts } = await model.forward(batch, { hooks: model.hooks, edits: [add(hook)] })
    for (const site of model.hooks) {
      const found = acts.get(site)!.data
      if (site === hook) {
        expectClose(found, sum(values(site), delta(found.length)), TOLERANCE, site)
        break
      }
      expectClose(found, values(site), TOLERANCE, site)
    }
  })

  it('of the embedding, the first resid_pre and the resid_post before it are edits of one stream', async () => {
    const run = async (hook: HookName) =>
      (await model.forward(batch, { edits: [add(hook)], logits: true })).logits!
    expectClose(await run('blocks.0.hook_resid_pre'), await run('hook_embed'), TOLERANCE)
    const next = await run('blocks.3.hook_resid_pre')
    expectClose(await run(post), next, TOLERANCE)
  })

  it('of mlp_out move resid_post by the same, and nothing in the block', async () => {
    const { acts } = await model.forward(batch, {
      hooks: ['blocks.2.hook_resid_mid', post],
      edits: [add('blocks.2.hook_mlp_out')],
    })
    expectClose(
      acts.get('blocks.2.hook_resid_mid')!.data,
      values('blocks.2.hook_resid_mid'),
      TOLERANCE,
    )
    expectClose(acts.get(post)!.data, sum(values(post), delta(values(post).length)), TOLERANCE)
  })

  it('of attn_out pass through the MLP: resid_mid moves by the same, resid_post is resid_mid + mlp_out', async () => {
    const [mid, mlp] = ['blocks.2.hook_resid_mid', 'blocks.2.hook_mlp_out'] as const
    const moved = { hooks: [mid, mlp, post] }
    const byAttn = await model.forward(batch, { ...moved, edits: [add('blocks.2.hook_attn_out')] })
    const byMid = await model.forward(batch, { ...moved, edits: [add(mid)] })
    const expected = sum(values(mid), delta(values(mid).length))
    expectClose(byAttn.acts.get(mid)!.data, expected, TOLERANCE)
    for (const hook of moved.hooks) {
      expectClose(byAttn.acts.get(hook)!.data, byMid.acts.get(hook)!.data, TOLERANCE, hook)
    }
    const mlpOut = byAttn.acts.get(mlp)!.data
    expectClose(byAttn.acts.get(post)!.data, sum(expected, mlpOut), TOLERANCE)
    const changed = mlpOut.some((value, i) => Math.abs(value - values(mlp)[i]!) > 1e-3)
    expect(changed).toBe(true)
  })

  it('equal what the stream itself would give: the edited resid_mid, put into a block as its resid_pre', async () => {
    // z is fixed by zeroing it in both passes, so that the block is resid_pre + attn_out(0) and then the MLP.
    const zeroZ: HookEdit = { hook: 'blocks.1.attn.hook_z', apply: ({ data }) => void data.fill(0) }
    const site = { hooks: ['blocks.1.hook_resid_post'] as const }
    const asPre = await model.forward(batch, {
      ...site,
      edits: [add('blocks.1.hook_resid_pre'), zeroZ],
    })
    const asMid = await model.forward(batch, {
      ...site,
      edits: [zeroZ, add('blocks.1.hook_resid_mid')],
    })
    const asAttn = await model.forward(batch, {
      ...site,
      edits: [zeroZ, add('blocks.1.hook_attn_out')],
    })
    const expected = asPre.acts.get(site.hooks[0])!.data
    expectClose(asMid.acts.get(site.hooks[0])!.data, expected, TOLERANCE)
    expectClose(asAttn.acts.get(site.hooks[0])!.data, expected, TOLERANCE)
  })

  it('of all four sites of a block at once each see the ones before', async () => {
    const sites = ['hook_attn_out', 'hook_resid_mid', 'hook_mlp_out', 'hook_resid_post'] as const
    const hooks = sites.map((site) => `blocks.2.${site}` as const)
    const { acts } = await model.forward(batch, { hooks, edits: hooks.map(add) })
    const [attn, mid, mlp, out] = hooks.map((hook) => acts.get(hook)!.data) as Float32Array[]
    const d = delta(attn!.length)
    expectClose(attn, sum(values('blocks.2.hook_attn_out'), d), TOLERANCE)
    expectClose(mid, sum(sum(values('blocks.2.hook_resid_pre'), attn!), d), TOLERANCE)
    expectClose(out, sum(sum(mid!, mlp!), d), TOLERANCE)
  })

  it('of the next resid_pre do not reach back into a returned resid_post', async () => {
    const { acts } = await model.forward(batch, {
      hooks: [post, 'blocks.3.hook_resid_pre'],
      edits: [add('blocks.3.hook_resid_pre')],
    })
    expectClose(acts.get(post)!.data, values(post), TOLERANCE)
    const moved = sum(values(post), delta(values(post).length))
    expectClose(acts.get('blocks.3.hook_resid_pre')!.data, moved, TOLERANCE)
  })

  it('at a site that can only be read are refused', async () => {
    const edit = add('blocks.2.ln2.hook_normalized')
    await expect(model.forward(batch, { edits: [edit], logits: true })).rejects.toThrow(
      'blocks.2.ln2.hook_normalized can be read but not edited',
    )
  })

  it('of resid_mid are seen in the normalized MLP input', async () => {
    const hooks = ['blocks.2.hook_resid_mid', 'blocks.2.ln2.hook_normalized'] as const
    const { acts } = await model.forward(batch, { hooks, edits: [add(hooks[0])] })
    const mid = acts.get(hooks[0])!.data
    expectClose(acts.get(hooks[1])!.data, normalize(mid, model.config), TOLERANCE)
    // Asked for alone, it is the same.
    const alone = await model.forward(batch, { hooks: [hooks[1]] })
    expect(alone.acts.get(hooks[1])!.data).toEqual(values(hooks[1]))
    expect([...alone.acts.keys()]).toEqual([hooks[1]])
  })

  it('work the same with a KV cache as without', async () => {
    const ids = golden.sequences[0]!
    const edit: HookEdit = {
      hook: 'blocks.1.attn.hook_z',
      apply({ data, d, seq_len, start }) {
        for (let t = 0; t < seq_len; t++) data[t * d] = data[t * d]! + 0.1 * (start + t)
      },
    }
    const whole = await model.forward(padBatch([ids]), { edits: [edit], logits: 'last' })
    const cache = model.openCache(1)
    await model.forward(padBatch([ids.slice(0, 31)]), { edits: [edit], cache })
    const last = await model.forward(padBatch([ids.slice(31)]), {
      edits: [edit],
      cache,
      logits: 'last',
    })
    expectClose(last.logits, whole.logits!, TOLERANCE)
  })
})

describe('reads', () => {
  it('see a site as it is after its edits, in the order of the pass, and change nothing', async () => {
    const seen = new Map<HookName, Float32Array>()
    const reads = model.hooks.toReversed().map((hook) => ({
      hook,
      read: ({ data }: HookActs) => void seen.set(hook, data.slice()),
    }))
    const edits = [add('blocks.1.hook_mlp_out')]
    const { logits, acts } = await model.forward(batch, { edits, reads, logits: true })
    expect(acts.size).toBe(0)
    expect([...seen.keys()]).toEqual(model.hooks)
    const returned = await model.forward(batch, { edits, hooks: model.hooks, logits: true })
    for (const hook of model.hooks) expect(seen.get(hook)).toEqual(returned.acts.get(hook)!.data)
    expect(logits).toEqual(returned.logits)
  })

  it('are given arrays that the pass empties behind them, unless somebody else keeps them', async () => {
    const seen = new Map<HookName, Float32Array>()
    const reads = model.hooks.map((hook) => ({
      hook,
      read: ({ data }: HookActs) => void seen.set(hook, data),
    }))
    const [returned, edited] = ['blocks.1.hook_mlp_out', 'blocks.2.hook_resid_post'] as const
    await model.forward(batch, { reads, hooks: [returned], edits: [add(edited)] })
    const blocks = model.hooks.filter((hook) => hook.startsWith('blocks.'))
    const last = `blocks.${model.config.n_layers - 1}.hook_resid_post` as const
    expect(blocks.filter((hook) => seen.get(hook)!.length > 0)).toEqual([
      'blocks.0.hook_resid_pre', // the embedding's
      returned,
      edited,
      'blocks.3.hook_resid_pre', // the edited array again
      last, // the final norm's
    ])
  })

  it('let an edit at a later site depend on an earlier one', async () => {
    const [ln2, mlp] = ['blocks.2.ln2.hook_normalized', 'blocks.2.hook_mlp_out'] as const
    const found = new Float32Array(values(mlp).length)
    const { acts } = await model.forward(batch, {
      hooks: [mlp],
      reads: [{ hook: ln2, read: ({ data }) => found.set(data) }],
      edits: [{ hook: mlp, apply: ({ data }) => data.set(found) }],
    })
    expect(acts.get(mlp)!.data).toEqual(values(ln2))
  })

  it('reach no further than the last site, and not before the beginning', async () => {
    const reached: HookName[] = []
    const read = (hook: HookName) => ({ hook, read: () => void reached.push(hook) })
    await model.forward(batch, { reads: [read('blocks.1.hook_resid_mid')] })
    expect(reached).toEqual(['blocks.1.hook_resid_mid'])
    const from = plain.acts.get(post)!
    const early = model.forward(batch, { from, reads: [read('hook_embed')] })
    await expect(early).rejects.toThrow(/lies before/)
  })
})

describe('a pass that begins at a residual stream', () => {
  it.each([
    'blocks.0.hook_resid_pre',
    'blocks.2.hook_resid_pre',
    'blocks.2.hook_resid_post',
  ] as const)('%s gives the bytes of the whole pass, edited or not', async (hook) => {
    const from = plain.acts.get(hook)!
    const before = from.data.slice()
    const whole = await model.forward(batch, { edits: [add(hook)], loss: true, hooks: [hook] })
    const resumed = await model.forward(batch, {
      edits: [add(hook)],
      loss: true,
      hooks: [hook],
      from,
    })
    expect(resumed.next_token_loss).toEqual(whole.next_token_loss)
    expect(resumed.acts.get(hook)!.data).toEqual(whole.acts.get(hook)!.data)
    expect(from.data).toEqual(before)
    const last = model.hooks.at(-1)!
    const { acts } = await model.forward(batch, { hooks: [last], from })
    expect(acts.get(last)!.data).toEqual(values(last))
  })

  it('begins nowhere else, only with the same batch, no cache, and nothing asked before it', async () => {
    const from = plain.acts.get(post)!
    const z = plain.acts.get('blocks.2.attn.hook_z')!
    await expect(model.forward(batch, { from: z })).rejects.toThrow(/cannot begin at .*hook_z/)
    const other = padBatch([golden.sequences[0]!.slice(0, 5)])
    await expect(model.forward(other, { from })).rejects.toThrow(/same batch/)
    const early = { hooks: ['blocks.1.hook_resid_pre'] as const, from }
    await expect(model.forward(batch, early)).rejects.toThrow(/lies before/)
    const cache = model.openCache(1)
    const row = padBatch([golden.sequences[0]!])
    const alone = await model.forward(row, { hooks: [post] })
    const both = model.forward(row, { from: alone.acts.get(post)!, cache })
    await expect(both).rejects.toThrow(/do not go together/)
  })
})
