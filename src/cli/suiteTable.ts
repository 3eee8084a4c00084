/** The table of a suite: what every SAE is and how well it does. */
import { type Cell, renderTable } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

/**
 * One row per SAE: target and measured L0, FVU, delta loss, dead share, latents with a label; and on how many tokens. A
 * number that was not measured shows as a dash.
 */
export async function suiteTable(suite: string): Promise<string> {
  const { readMetrics } = await import('../sae/disk.ts')
  const { readLabelsFile } = await import('../jobs/index.ts')
  const rows: Cell[][] = []
  const windows = new Set<number>()
  let off = 0
  for (const entry of await suiteEntries(suite)) {
    const metrics = await readMetrics(entry.path)
    const labels = await readLabelsFile(entry.path)
    if (metrics) windows.add(metrics.n_tokens)
    if (metrics && Math.abs(metrics.l0 / entry.l0 - 1) > 0.2) off++
    rows.push([
      entry.hook,
      entry.d_sae,
      entry.l0,
      metrics?.l0.toFixed(1),
      metrics?.fvu?.toFixed(4),
      metrics?.delta_ce_loss?.toFixed(4),
      metrics?.dead === undefined ? undefined : `${(100 * metrics.dead).toFixed(1)} %`,
      labels === undefined ? undefined : `${labels.labels.length} of ${entry.d_sae}`,
    ])
  }
  const table = renderTable(
    ['site', 'latents', 'L0 asked', 'L0', 'FVU', 'delta loss', 'dead', 'labelled'],
    rows,
  )
  if (windows.size === 0) return `${table}\nNot evaluated yet: hooke eval ${suite}`
  const missed =
    off === 0
      ? ''
      : `\n${off} of ${rows.length} SAEs are more than 20 % from the L0 asked: train on more tokens.`
  const n_tokens = [...windows].map((n) => n.toLocaleString('en')).join(', ')
  return `${table}\nMeasured on ${n_tokens} held-out tokens (delta loss in nats; dead: never active on these tokens).${missed}`
}
