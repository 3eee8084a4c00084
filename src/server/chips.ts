/** Labels, densities and maxima for latents that are shown somewhere. */

import type { LatentChip } from '../api/index.ts'
import { type Database, latentChips } from '../store/index.ts'

/** Completes latents with what the database knows of them; what they bring along wins. Order is kept. */
export async function labelledChips<C extends LatentChip>(
  db: Database,
  chips: readonly C[],
): Promise<C[]> {
  const known = new Map<string, LatentChip>()
  for (const [sae, group] of Map.groupBy(chips, (chip) => chip.sae)) {
    const indices = [...new Set(group.map(({ index }) => index))]
    for (const chip of await latentChips(db, sae, indices)) known.set(`${sae} ${chip.index}`, chip)
  }
  return chips.map((chip) => ({ ...known.get(`${chip.sae} ${chip.index}`), ...chip }))
}
