/**
 * Many SAEs in one pass over the text against the same SAEs one after the other: 6 layers x 3 sites x 2 widths of
 * thimble-5m, capture and training counted.
 *
 *     npm run bench -- one-pass [tokens n_layers train_tokens]
 *
 * Separately, every SAE captures its own site and trains alone. Both ways start from the same seeds and must end in the same
 * bytes; where they do not, this exits with 1.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openActivations, readCorpus, writeStore } from '../src/activations/index.ts'
import { type HookName, openModel } from '../src/model/index.ts'
import { saeFolder } from '../src/sae/index.ts'
import { type SaeSpec, train } from '../src/train/index.ts'

const SITES = ['attn.hook_z', 'hook_mlp_out', 'hook_resid_post'] as const
const WIDTHS = [512, 1024]
const L0 = 24
const BATCH = 1024

const [tokens = 20_000, n_layers = 6, train_tokens = 100_000] = process.argv.slice(2).map(Number)
if (loadavg()[0]! > 0.5)
  console.warn(
    `load average ${loadavg()[0]!.toFixed(1)}: others are at work here; take times with care`,
  )
const model = await openModel('thimble-5m')
const corpus = await readCorpus(['models/thimble-5m/anthology.txt'], model.tokenizer!, {
  n_ctx: model.config.n_ctx,
})
const folder = await mkdtemp(join(tmpdir(), 'one-pass-'))

type Parts = { capture_ms: number; train_ms: number }

/** Captures the sites of these SAEs, trains them together and leaves them in `out`. */
async function run(saes: readonly SaeSpec[], out: string): Promise<Parts> {
  const started = performance.now()
  const store = join(out, 'activations')
  const hooks = [...new Set(saes.map(({ hook }) => hook))]
  await writeStore(store, model, corpus, { hooks, n_tokens: tokens })
  const captured = performance.now()
  const source = await openActivations(store)
  await train({ source, saes, out, batch_size: BATCH, n_tokens: train_tokens, seed: 0 })
  await source.close()
  await rm(store, { recursive: true })
  return { capture_ms: captured - started, train_ms: performance.now() - captured }
}

async function weightsHash(out: string, { hook, d_sae, l0 }: SaeSpec): Promise<string> {
  const file = join(saeFolder(out, hook, d_sae, l0), 'sae_weights.safetensors')
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

const saes = Array.from({ length: n_layers }, (_, layer) =>
  SITES.flatMap((site) =>
    WIDTHS.map(
      (d_sae): SaeSpec => ({ hook: `blocks.${layer}.${site}` as HookName, d_sae, l0: L0 }),
    ),
  ),
).flat()

try {
  const together = await run(saes, join(folder, 'together'))
  const sum: Parts = { capture_ms: 0, train_ms: 0 }
  const different: string[] = []
  for (const [i, sae] of saes.entries()) {
    const out = join(folder, String(i))
    const parts = await run([sae], out)
    sum.capture_ms += parts.capture_ms
    sum.train_ms += parts.train_ms
    if ((await weightsHash(out, sae)) !== (await weightsHash(join(folder, 'together'), sae)))
      different.push(`${sae.hook} ${sae.d_sae}`)
  }
  const row = ({ capture_ms, train_ms }: Parts) => ({
    'capture, s': (capture_ms / 1000).toFixed(1),
    'training, s': (train_ms / 1000).toFixed(1),
    'both, s': ((capture_ms + train_ms) / 1000).toFixed(1),
  })
  const ratio = (sum.capture_ms + sum.train_ms) / (together.capture_ms + together.train_ms)
  console.log(`${saes.length} SAEs, ${tokens} tokens captured, ${train_tokens} trained on`)
  console.table({ 'in one pass': row(together), 'one by one': row(sum) })
  console.log(`one pass is ${ratio.toFixed(2)} times as fast`)
  console.log(
    different.length === 0
      ? `weights: all ${saes.length} identical`
      : `weights: ${different.length} of ${saes.length} differ: ${different.join(', ')}`,
  )
  if (different.length > 0) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true })
  await model.close()
}
