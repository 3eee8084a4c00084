import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resolveModel } from '../hub/index.ts'
import { openModel } from '../model/index.ts'
import { capture } from './capture.ts'
import { selectDocuments } from './corpus.ts'
import { readCorpus } from './readCorpus.ts'

it('thimble: padding changes no activation', async () => {
  const folder = await resolveModel('thimble-5m')
  const anthology = join(folder, 'anthology.txt')
  const model = await openModel(folder, { threads: 1 })
  const whole = await readCorpus([anthology], model.tokenizer!, { n_ctx: 64 })
  const corpus = selectDocuments(whole, (doc) => doc < 9)
  const hooks = ['blocks.0.attn.hook_z', 'blocks.4.hook_resid_post'] as const
  const together = await Array.fromAsync(capture(model, corpus, { hooks, batch_tokens: 400 }))
  const alone = await Array.fromAsync(capture(model, corpus, { hooks, batch_tokens: 1 }))
  expect(together.length).toBeLessThan(alone.length)
  for (const hook of hooks) {
    const d = model.width(hook)
    const byToken = new Map<number, Float32Array>()
    for (const { acts, token_index } of alone) {
      for (const [i, token] of token_index.entries()) {
        byToken.set(token, acts.get(hook)!.subarray(i * d, (i + 1) * d))
      }
    }
    for (const { acts, token_index } of together) {
      const found = acts.get(hook)!
      for (const [i, token] of token_index.entries()) {
        const expected = byToken.get(token)!
        for (let k = 0; k < d; k += 31) expect(found[i * d + k]).toBeCloseTo(expected[k]!, 3)
      }
    }
  }
  await model.close()
})
