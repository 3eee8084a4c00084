/** A run as every thread knows it, from what was asked for. */
import { availableParallelism } from 'node:os'
import { saeFolder } from '../sae/index.ts'
import { ARCHITECTURES } from './architectures/index.ts'
import type { RunConfig } from './checkpoint.ts'
import { resolveRecipe } from './config.ts'
import type { RunPlan, SaePlan } from './control.ts'
import { kernelVariant } from './kernels/load.ts'
import { dealShards, shardRanges } from './ranges.ts'
import type { TrainOptions } from './types.ts'

/** The sites that a run needs of each batch, in the order of the plan's indices. */
export function sitesOf(saes: TrainOptions['saes']): TrainOptions['saes'][number]['hook'][] {
  return [...new Set(saes.flatMap(({ hook, hook_out }) => [hook, hook_out ?? hook]))]
}

/** What a plan needs to know. */
export type PlannedOptions = Pick<
  TrainOptions,
  'saes' | 'batch_size' | 'n_tokens' | 'threads' | 'recipe' | 'seed'
> & { readonly source: Pick<TrainOptions['source'], 'hooks' | 'width' | 'norm'> }

/** @throws RangeError naming what cannot be trained; z.ZodError for a recipe that is none. */
export function planRun(options: PlannedOptions, n_steps: number): RunPlan {
  const { source, saes, batch_size, n_tokens } = options
  if (saes.length === 0) throw new RangeError('train: no SAE is asked for')
  if (n_steps < 1) {
    throw new RangeError(
      `train: n_tokens ${n_tokens} is less than one batch of ${batch_size}; ask for more tokens or smaller batches`,
    )
  }
  const sites = sitesOf(saes)
  const missing = sites.find((site) => !source.hooks.includes(site))
  if (missing !== undefined) {
    throw new RangeError(
      `train: ${missing} is not in the source of activations, which has ${source.hooks.join(', ')}`,
    )
  }
  const places = saes.map(({ hook, d_sae, l0 }) => saeFolder('', hook, d_sae, l0).slice(1))
  const twice = places.find((place, i) => places.indexOf(place) < i)
  if (twice !== undefined) {
    throw new RangeError(
      `train: two SAEs would be saved as ${twice}, whose name holds what an SAE reads, its width and its l0; change one of these, or train one of them into another folder`,
    )
  }
  const cut = saes.map((spec) => {
    const [d_in, d_out] = [source.width(spec.hook), source.width(spec.hook_out ?? spec.hook)]
    const recipe = resolveRecipe(options.recipe ?? {}, {
      d_in,
      d_sae: spec.d_sae,
      l0: spec.l0,
      n_steps,
      n_tokens,
      transcoder: spec.hook_out !== undefined,
    })
    if (!(spec.l0 > 0 && spec.l0 < spec.d_sae)) {
      throw new RangeError(
        `train: l0 ${spec.l0} of ${spec.hook} must lie between 0 and d_sae ${spec.d_sae}`,
      )
    }
    if (recipe.skip && spec.hook_out === undefined) {
      throw new RangeError(
        `train: a skip leads from the input to another output, and ${spec.hook} is to be reconstructed itself; leave skip out or name an output site`,
      )
    }
    const norm = source.norm(spec.hook)
    if (!(norm > 0))
      throw new RangeError(`train: ${spec.hook} has norm ${norm}; its activations are all zero`)
    const fractions = ARCHITECTURES[recipe.architecture].nested ? recipe.group_fractions : [1]
    const ranges = shardRanges(spec.d_sae, Math.min(recipe.shards, spec.d_sae), fractions)
    return { spec, d_in, d_out, recipe, ranges, scale: 1 / norm }
  })
  const most = Math.max(...cut.map(({ ranges }) => ranges.length))
  const n_threads = Math.max(1, Math.min(options.threads ?? availableParallelism(), most))
  return {
    batch_size,
    seed: options.seed,
    n_threads,
    variant: kernelVariant(),
    saes: cut.map(
      (sae, i): SaePlan => ({
        ...sae,
        site: sites.indexOf(sae.spec.hook),
        site_out: sites.indexOf(sae.spec.hook_out ?? sae.spec.hook),
        owners: dealShards(sae.ranges, n_threads, i),
      }),
    ),
  }
}

/** All that decides the bytes of the result. */
export function runConfig(options: TrainOptions, plan: RunPlan, n_steps: number): RunConfig {
  return {
    data_hash: options.source.hash,
    seed: options.seed,
    batch_size: options.batch_size,
    n_steps,
    kernels: plan.variant,
    saes: plan.saes.map(({ spec, d_in, d_out, ranges, recipe }) => ({
      ...spec,
      d_in,
      d_out,
      n_shards: ranges.length,
      recipe,
    })),
  }
}
