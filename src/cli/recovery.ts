/** What `hooke bench recovery` does: trains on activations with a known dictionary, and scores what was found. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addToFvu, fvu, fvuSums } from '../evaluate/index.ts'
import { removePath } from '../files/index.ts'
import { loadSae } from '../sae/disk.ts'
import { openRunner } from '../sae/index.ts'
import {
  type Absorption,
  absorption,
  type DirectionScore,
  directionScore,
  type FiringScore,
  firingScore,
  matchFeatures,
  type SyntheticSource,
  syntheticSource,
} from '../synthetic/index.ts'
import { type ArchitectureName, type TrainResult, train } from '../train/index.ts'

export type RecoverySettings = {
  readonly architectures: readonly ArchitectureName[]
  /** Targets of the SAEs. */
  readonly l0: readonly number[]
  readonly n_seeds: number
  readonly d_in: number
  readonly n_features: number
  /** Features on in a token. */
  readonly true_l0: number
  readonly d_sae: number
  readonly n_tokens: number
  readonly batch_size: number
  /** Tokens that firing, L0, FVU and dead latents are taken on; none of them is trained on. */
  readonly score_tokens: number
  readonly threads: number
}

/** One SAE and its score; scores are absent where it failed. */
export type RecoveryRow = {
  readonly architecture: ArchitectureName
  readonly l0_target: number
  readonly seed: number
  readonly failed?: string
  readonly score?: DirectionScore &
    FiringScore & {
      /** On the tokens that the score was taken on, as the next two. */
      readonly l0: number
      readonly fvu: number
      /** Share of latents that never fired. */
      readonly dead: number
      /** Absent where no parent and child were found. */
      readonly absorption?: Absorption
    }
}

const HOOK = 'blocks.0.hook_resid_post'

/** Seed of the stream of tokens that are scored; training streams have their run's seed. */
const SCORE_SEED = 2 ** 31

/**
 * The data of one seed: a quarter of the features in families of a parent and three children, a quarter in pairs that fire
 * together with correlation 0.5, the rest on their own.
 */
export function recoverySource({
  d_in,
  n_features,
  true_l0,
  seed,
}: Pick<RecoverySettings, 'd_in' | 'n_features' | 'true_l0'> & {
  seed: number
}): SyntheticSource {
  return syntheticSource({
    hooks: [HOOK],
    d_in,
    n_features,
    l0: true_l0,
    seed,
    families: { n: Math.floor(n_features / 16), children: 3, share: 0.25 },
    groups: { n: Math.floor(n_features / 8), size: 2, correlation: 0.5 },
  })
}

/**
 * Trains every architecture at every L0, seed after seed, and gives the rows of each run as it ends. The seed decides the
 * dictionary, the tokens and the first weights.
 * @param onProgress share 0 to 1 of the whole.
 * @throws as `train` and `syntheticSource`.
 */
export async function* measureRecovery(
  settings: RecoverySettings,
  {
    signal,
    onProgress,
  }: { signal: AbortSignal; onProgress: (what: string, share: number) => void },
): AsyncGenerator<RecoveryRow[]> {
  const { architectures, l0, n_seeds, d_sae, n_tokens, batch_size, threads } = settings
  const folder = await mkdtemp(join(tmpdir(), 'hooke-recovery-'))
  const n_runs = n_seeds * architectures.length
  let n_done = 0
  try {
    for (let seed = 0; seed < n_seeds; seed++) {
      const source = recoverySource({ ...settings, seed })
      for (const architecture of architectures) {
        const what = `${architecture}, seed ${seed}`
        onProgress(what, n_done / n_runs)
        const result = await train({
          source,
          saes: l0.map((target) => ({ hook: HOOK, d_sae, l0: target })),
          out: join(folder, `${architecture}-${seed}`),
          batch_size,
          n_tokens,
          seed,
          threads,
          recipe: { architecture },
          signal,
          onPoint: ({ step, n_steps }) => onProgress(what, (n_done + step / n_steps) / n_runs),
        })
        const rows: RecoveryRow[] = []
        for (const trained of result.saes) {
          const name = { architecture, l0_target: trained.spec.l0, seed }
          rows.push({ ...name, ...(await scoreOf(trained, source, settings)) })
        }
        n_done++
        yield rows
      }
    }
  } finally {
    await removePath(folder)
  }
}

async function scoreOf(
  { folder, failed }: TrainResult['saes'][number],
  source: SyntheticSource,
  { score_tokens, threads }: RecoverySettings,
): Promise<Pick<RecoveryRow, 'failed' | 'score'>> {
  if (failed) return { failed: failed.reason }
  const sae = await loadSae(folder)
  const asked = { batch_size: score_tokens, seed: SCORE_SEED, index: 0 }
  const { acts, features } = source.batch(asked)
  const x = acts.get(HOOK)!
  const runner = await openRunner(sae, { threads })
  try {
    const found = await runner.encode(x)
    const sums = fvuSums(x.slice(0, sae.d_in))
    addToFvu(sums, x, await runner.decode(found))
    const matching = matchFeatures(source.dictionary.get(HOOK)!, sae.W_dec, sae.d_in)
    const absorbed = absorption(matching, source.features, features, found)
    const score = {
      ...directionScore(matching),
      ...firingScore(matching, features, found),
      l0: found.index.length / found.n,
      fvu: fvu(sums)!, // synthetic activations vary
      dead: 1 - new Set(found.index).size / sae.d_sae,
      ...(absorbed ? { absorption: absorbed } : {}),
    }
    return { score }
  } finally {
    await runner.close()
  }
}
