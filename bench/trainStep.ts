/**
 * Time of a training step and the encoder product's share in it.
 *
 *     node bench/trainStep.ts [d_in d_sae l0 batch_size n_steps]
 *
 * Without arguments: 256 x 4096 and 2304 x 16384, batch 4096, about 70 active latents a token. Random inputs; weights as
 * initialised, so l0 is what the first thresholds give; the first step (page faults) is left out.
 */
import { availableParallelism } from 'node:os'
import { resolveRecipe } from '../src/train/config.ts'
import { Engine } from '../src/train/engine.ts'
import { kernelVariant } from '../src/train/kernels/load.ts'

async function measure(
  d_in: number,
  d_sae: number,
  l0: number,
  batch_size: number,
  n_steps: number,
) {
  const x = new Float32Array(batch_size * d_in)
  for (let i = 0; i < x.length; i++) x[i] = (Math.random() - 0.5) * Math.sqrt(12 / d_in)
  const recipe = resolveRecipe(
    { init_l0: 1 },
    { d_in, d_sae, n_steps: 1000, n_tokens: 1000 * batch_size },
  )
  const spec = { hook: 'blocks.0.hook_resid_post', d_sae, l0 } as const
  const n_threads = Math.min(availableParallelism(), recipe.shards)
  const engine = await Engine.start(
    {
      ...{ batch_size, seed: 1, n_threads, variant: kernelVariant() },
      saes: [{ spec, d_in, scale: 1, site: 0, n_shards: recipe.shards, recipe }],
    },
    [x],
  )
  // Learning rates small enough that l0 stays where it is.
  const input = [{ lr: 1e-7, lr_threshold: 1e-9, lambda: 0 }]
  await engine.step(0, input)
  const gemm_before = engine.gemmMs()
  const start = performance.now()
  let measured_l0 = 0
  for (let step = 0; step < n_steps; step++) measured_l0 = (await engine.step(0, input))[0]!.l0
  const step_ms = (performance.now() - start) / n_steps
  const gemm_ms = (engine.gemmMs() - gemm_before) / n_steps
  await engine.close()
  return {
    ...{ d_in, d_sae, batch_size, shards: recipe.shards, threads: n_threads },
    l0: Math.round(measured_l0),
    step_ms: Math.round(step_ms),
    gemm_ms: Math.round(gemm_ms),
    tokens_per_s: Math.round((batch_size * 1000) / step_ms),
    gemm_gflops: Math.round((2 * batch_size * d_in * d_sae) / gemm_ms / 1e6),
  }
}

const given = process.argv.slice(2).map(Number)
const cases =
  given.length > 0
    ? [given]
    : [
        [256, 4096],
        [2304, 16384],
      ]
const rows = []
for (const [d_in = 256, d_sae = 4096, l0 = 70, batch_size = 4096, n_steps = 5] of cases)
  rows.push(await measure(d_in, d_sae, l0, batch_size, n_steps))
console.table(rows)
