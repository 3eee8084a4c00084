/** `hooke bench recovery`, small: the rows behind the table, the table, and what it refuses. */
import { describe, expect, it } from 'vitest'
import { renderRecovery } from '../src/cli/bench.ts'
import { type RecoveryRow, type RecoverySettings, recoverySource } from '../src/cli/recovery.ts'
import { hooke } from './commandLine.ts'

const SIZE = ['--features', '48', '--true-l0', '3', '--d-in', '31', '--width', '80'] as const
const bench = (...more: string[]) => hooke('bench', 'recovery', ...more)

describe('hooke bench recovery', () => {
  it('scores every architecture, L0 and seed, the same each time', async () => {
    const args = [...SIZE, '--tokens', '60_000', '--l0', '3', '6', '--seeds', '2', '--json']
    const first = await bench(...args, '--architectures', 'jumprelu,batchtopk')
    expect(first).toMatchObject({ code: 0, message: '' })
    const { settings, rows } = JSON.parse(first.printed) as {
      settings: RecoverySettings
      rows: RecoveryRow[]
    }
    expect(settings).toMatchObject({ n_seeds: 2, d_sae: 80, n_features: 48 })
    expect(rows.map((r) => `${r.architecture} ${r.seed} ${r.l0_target}`)).toEqual(
      [0, 1].flatMap((seed) =>
        ['jumprelu', 'batchtopk'].flatMap((name) => [3, 6].map((l0) => `${name} ${seed} ${l0}`)),
      ),
    )
    for (const { score } of rows) {
      expect(score!.mean_max_cosine).toBeGreaterThanOrEqual(score!.mean_matched_cosine)
      expect(score!.mean_matched_cosine).toBeGreaterThan(0.5)
      expect(score!.l0).toBeGreaterThan(1)
      expect(score!.fvu).toBeGreaterThan(0)
      for (const share of [
        score!.recovered,
        score!.precision,
        score!.recall,
        score!.f1,
        score!.dead,
      ])
        expect(Math.abs(share - 0.5)).toBeLessThanOrEqual(0.5)
    }
    const scores = (seed: number) => rows.filter((r) => r.seed === seed).map((r) => r.score)
    expect(scores(0)).not.toEqual(scores(1))
    const again = await bench(...args, '--architectures', 'jumprelu', '--threads', '1')
    expect((JSON.parse(again.printed) as { rows: RecoveryRow[] }).rows).toEqual(
      rows.filter((row) => row.architecture === 'jumprelu'),
    )
  })

  it('prints a line for each architecture and L0', async () => {
    const args = [...SIZE, '--tokens', '20_000', '--l0', '3', '--seeds', '1']
    const { code, printed } = await bench(...args, '--architectures', 'topk')
    expect(code).toBe(0)
    expect(printed).toMatch(/^topk +3 /m)
    expect(printed).toContain(
      '48 features in 31 dimensions, 3 on in a token; 80 latents, 20,000 tokens',
    )
  })

  it('refuses an architecture that there is not', async () => {
    const { code, message } = await bench('--architectures', 'jumprelu,gumprelu')
    expect(code).toBe(2)
    expect(message).toContain('there is no architecture "gumprelu"; there are jumprelu')
  })
})

it('the data has families, pairs and singles', () => {
  const { features } = recoverySource({ d_in: 31, n_features: 48, true_l0: 3, seed: 1 })
  expect(features.parent.filter((parent) => parent >= 0)).toHaveLength(9)
  expect(features.group.filter((group) => group >= 0)).toHaveLength(12)
})

it('the table gives mean and standard deviation over the seeds that did not fail', () => {
  const score = (f1: number): NonNullable<RecoveryRow['score']> => ({
    ...{ mean_max_cosine: 0.5, mean_matched_cosine: 0.25, recovered: 0.2 },
    ...{ precision: 1, recall: 1, f1, l0: 4, fvu: 0.125, dead: 0.015 },
  })
  const settings: RecoverySettings = {
    ...{ architectures: ['jumprelu', 'topk'], l0: [4], n_seeds: 3, d_in: 31, n_features: 48 },
    ...{ true_l0: 3, d_sae: 80, n_tokens: 60_000, batch_size: 1024, score_tokens: 999, threads: 1 },
  }
  const rows: RecoveryRow[] = [
    { architecture: 'jumprelu', l0_target: 4, seed: 0, score: score(0.4) },
    { architecture: 'jumprelu', l0_target: 4, seed: 1, score: score(0.6) },
    { architecture: 'jumprelu', l0_target: 4, seed: 2, failed: 'NaN at step 3' },
  ]
  const table = renderRecovery(settings, rows)
  // Values 0.4 and 0.6: mean 0.5, standard deviation sqrt(0.02 / 1) = 0.141.
  expect(table).toMatch(/^jumprelu +4 +4\.0 ± 0\.0 +0\.125 ± 0\.000 .* 0\.500 ± 0\.141 +– +–$/m)
  expect(table).toMatch(/^topk +4( +–)+$/m)
  expect(table).toContain('Stopped after 3 of 6 SAEs.')
  expect(table).toContain('jumprelu, L0 4, seed 2 failed: NaN at step 3')
})
