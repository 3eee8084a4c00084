/** The trainer is no worse than Gemma Scope's recipe plainly implemented; `bench/quality.ts` is the same at a larger size. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import {
  capture,
  openActivations,
  readCorpus,
  splitCorpus,
  writeStore,
} from '../activations/index.ts'
import { resolveModel } from '../hub/index.ts'
import { openModel } from '../model/index.ts'
import { compareQuality } from './oracle/quality.ts'

const HOOK = 'blocks.4.hook_resid_post'
const RUN = { d_sae: 96, batch_size: 128, n_steps: 160, lambdas: [0.002], seed: 1 }

it('leaves no more error at equal L0, from the same activations in the same order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hooke-quality-'))
  try {
    const path = await resolveModel('thimble-5m')
    const model = await openModel(path, { threads: 1 })
    const files = [join(path, 'anthology.txt')]
    const corpus = await readCorpus(files, model.tokenizer!, { n_ctx: model.config.n_ctx })
    const split = splitCorpus(corpus, { held_out: 0.1 })
    const store = { hooks: [HOOK], n_tokens: 10_240 } as const
    await writeStore(join(folder, 'store'), model, split.train, store)
    const parts = capture(model, split.held_out, {
      hooks: [HOOK],
      n_tokens: 1024,
      batch_tokens: 4096,
    })
    const held_out = (await parts.next()).value!.acts.get(HOOK)!
    await model.close()
    const source = await openActivations(join(folder, 'store'))
    const out = join(folder, 'suite')
    const [row] = await compareQuality({ ...RUN, source, hook: HOOK, held_out, out })
    await source.close()
    // Both learned something, and neither is asked for an L0 that it cannot reach.
    expect(row!.plain.l0).toBeGreaterThan(4)
    expect(row!.plain.fvu).toBeLessThan(0.6)
    expect(row!.ratio).toBeLessThan(1.01)
  } finally {
    await rm(folder, { recursive: true })
  }
})
