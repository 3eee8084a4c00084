/** The demo's settings: every layer of the bundled model, small enough for two cores and a few minutes. */
import { join } from 'node:path'
import { packageRoot } from '../files/index.ts'
import type { PipelineConfig } from './config.ts'

/**
 * The run behind `hooke demo`: one BatchTopK SAE per layer at `hook_resid_post` of thimble-5m. Training text is the anthology and
 * text sampled from the model itself; examples come from the anthology alone, so that people read real prose.
 * @param out the suite's folder.
 */
export function demoConfig(out: string, options: { threads?: number } = {}): PipelineConfig {
  const model = join(packageRoot(), 'models', 'thimble-5m')
  const anthology = join(model, 'anthology.txt')
  return {
    model: 'thimble-5m',
    data: [anthology, join(model, 'samples.txt.gz')],
    index_data: [anthology],
    out,
    hooks: ['blocks.*.hook_resid_post'],
    d_sae: [2048],
    l0: [32],
    n_tokens: 1_500_000,
    eval_tokens: 20_000,
    held_out: 0.05,
    batch_size: 1024,
    seed: 0,
    threads: options.threads ?? 2,
    dtype: 'BF16',
    // Of all architectures it leaves least error in so few steps (docs/training.md), and is kept as JumpReLU.
    recipe: { architecture: 'batchtopk' },
  }
}
