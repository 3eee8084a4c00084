/** The table of a suite: what every SAE is and how well it does. */
import { type Cell, renderTable } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

/**
 * One row per SAE: width, L0 and the L0 asked for, fidelity, dead share, latents with a label; and on how many tokens. A
 * number that was not measured shows as a dash. At most 100 characters wide.
 */
export async function suiteTable(suite: string): Promise<string> {
  const { readMetrics } = await import('../sae/disk.ts')
  const { widthName } = await import('../sae/index.ts')
  const { readLabelsFile } = await import('../jobs/index.ts')
  const rows: Cell[][] = []
  const windows = new Set<number>()
  const importance = new Set<number>()
  let off = 0
  for (const { hook, d_sae, l0, path } of await suiteEntries(suite)) {
    const metrics = await readMetrics(path)
    const labels = await readLabelsFile(path)
    if (metrics) windows.add(metrics.n_tokens)
    if (metrics?.uniformity_tokens) importance.add(metrics.uniformity_tokens)
    if (metrics && Math.abs(metrics.l0 / l0 - 1) > 0.2) off++
    rows.push([
      hook,
      widthName(d_sae),
      l0,
      metrics?.l0.toFixed(1),
      metrics?.fvu?.toFixed(4),
      metrics?.delta_ce_loss?.toFixed(4),
      metrics?.kl?.toFixed(4),
      metrics?.uniformity?.toFixed(2),
      metrics && percent(metrics.dead),
      labels && `${Math.floor((100 * labels.labels.length) / d_sae)} %`,
    ])
  }
  const table = renderTable(
    ['site', 'width', 'L0 asked', 'L0', 'FVU', 'delta loss', 'KL', 'r_L0', 'dead', 'labelled'],
    rows,
  )
  if (windows.size === 0) return `${table}\nNot evaluated yet: hooke eval ${suite}`
  const missed =
    off === 0
      ? ''
      : `\n${off} of ${rows.length} SAEs are more than 20 % from the L0 asked: train on more tokens.`
  const counts = (numbers: ReadonlySet<number>) =>
    [...numbers].map((n) => n.toLocaleString('en')).join(', ')
  const uniformity =
    importance.size === 0
      ? ''
      : `\nr_L0: share of a token's active latents that effectively matters, on ${counts(importance)} tokens.`
  return `${table}\nMeasured on ${counts(windows)} held-out tokens (delta loss and KL in nats; dead: never active on these tokens).${uniformity}${missed}`
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
